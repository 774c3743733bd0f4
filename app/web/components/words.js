// Words of the field, underlined with dots where they first stand on the page: their sentence shows under the mouse, a
// finger and, at the end of the tab order, the keyboard.  Nothing that the page has drawn is touched: the dots are a
// highlight over its text, and what takes the focus lies over the words and lets every click through.
const SKIP = "script, style, code, pre, svg, h1, [hidden], [aria-hidden=true]:not([data-testid=stWidgetLabel] *), [data-testid=stIconMaterial], .othw, .othg, .otht, .oth-frame, .oth-score";
const HIGHLIGHT = "othello-word";
let page = null;

const make = (parent, tag, className) => {
  const element = document.createElement(tag);
  element.className = className;
  parent.appendChild(element);
  return element;
};

function pattern(terms, exact) {
  const forms = [];
  terms.forEach(({ forms: all }, at) => all.forEach((form) => {
    if (/[A-ZΑ-Ω].*[A-Z0-9]|^[A-Zε γ]$|[²⁺ᴮ]/.test(form) === exact) forms.push([form, at]);
  }));
  forms.sort(([one], [two]) => two.length - one.length);
  const escaped = forms.map(([form]) => form.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const of = new Map(forms.map(([form, at]) => [exact ? form : form.toLowerCase(), at]));
  return { find: new RegExp(`(?<![\\p{L}\\d_-])(${escaped.join("|")})(s?)(?![\\p{L}\\d_-])`, exact ? "gu" : "giu"), of, exact };
}

function found(root, patterns, seen) {
  const marks = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) => {
    if (node.nodeType === Node.ELEMENT_NODE) return node.matches(SKIP) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_SKIP;
    return node.data.trim() ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_REJECT;
  });
  while (walker.nextNode()) {
    const node = walker.currentNode;
    for (const { find, of, exact } of patterns) for (const match of node.data.matchAll(find)) {
      const at = of.get(exact ? match[1] : match[1].toLowerCase());
      if (seen.has(at)) continue;
      const range = new Range();
      range.setStart(node, match.index); range.setEnd(node, match.index + match[0].length);
      if (!range.getClientRects().length) continue; // not drawn
      seen.add(at);
      marks.push({ at, range, node, word: match[0] });
    }
  }
  return marks;
}

function scan() {
  const { root, data } = page, seen = new Set();
  if (!root.isConnected) return;
  const main = document.querySelector("[data-testid=stMain]");
  page.marks = [main, ...document.querySelectorAll("[data-testid=stPopoverBody]")].flatMap((part) => part ? found(part, page.patterns, seen) : []);
  if (window.Highlight) CSS.highlights.set(HIGHLIGHT, new Highlight(...page.marks.map(({ range }) => range)));
  const shown = page.marks.filter(({ node }) => main.contains(node));
  while (root.children.length > shown.length) root.lastChild.remove();
  const origin = root.getBoundingClientRect(), edge = main.getBoundingClientRect().left + main.clientWidth;
  shown.forEach(({ at, range, word }, number) => {
    const place = root.children[number] ?? make(root, "span", "word"), box = range.getClientRects()[0];
    const left = Math.min(box.left, edge - box.width); // a word that is scrolled away sideways must not widen the page
    Object.assign(place.style, { left: `${left - origin.left}px`, top: `${box.top - origin.top}px`, width: `${box.width}px`, height: `${box.height}px` });
    place.tabIndex = 0;
    place.setAttribute("role", "note");
    place.setAttribute("aria-label", `${word}: ${data.terms[at].words}`);
    place.__say = () => say(word, data.terms[at].words, place.getBoundingClientRect());
  });
}

function say(word, words, box) {
  const { tip } = page;
  tip.hidden = false;
  tip.replaceChildren(Object.assign(document.createElement("b"), { textContent: word }), ` ${words}`);
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, box.left))}px`;
  tip.style.top = `${box.bottom + height + 14 > innerHeight ? box.top - height - 6 : box.bottom + 6}px`;
}

function under(event) {
  const caret = document.caretPositionFromPoint?.(event.clientX, event.clientY);
  const mark = caret && page.marks.find(({ node }) => node === caret.offsetNode);
  if (!mark) return null;
  const marks = page.marks.filter(({ node }) => node === mark.node);
  for (const { at, range, word } of marks) for (const box of range.getClientRects())
    if (event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom) return { at, word, box };
  return null;
}

function point(event) {
  if (!page.root.isConnected) return;
  const hit = under(event);
  if (hit) say(hit.word, page.data.terms[hit.at].words, hit.box);
  else if (!page.root.contains(document.activeElement)) page.tip.hidden = true;
}

function begin() {
  let timer = 0, frame = 0;
  const later = () => { clearTimeout(timer); timer = setTimeout(scan, 250); };
  new MutationObserver((changes) => {
    if (changes.some(({ target }) => !page.root.contains(target) && !page.tip.contains(target))) later();
  }).observe(document.body, { childList: true, characterData: true, subtree: true });
  addEventListener("resize", later);
  document.addEventListener("pointermove", (event) => {
    cancelAnimationFrame(frame);
    if (event.pointerType === "mouse") frame = requestAnimationFrame(() => point(event));
  });
  document.addEventListener("click", point);
  document.addEventListener("scroll", () => { page.tip.hidden = true; }, true);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") page.tip.hidden = true; });
}

export default function ({ data, parentElement }) {
  let root = parentElement.querySelector(".othw");
  if (!root) {
    root = make(parentElement, "div", "othw");
    root.setAttribute("role", "group"); root.setAttribute("aria-label", "Words on this page");
    root.addEventListener("focusin", (event) => requestAnimationFrame(() => event.target.__say?.()));
    root.addEventListener("focusout", () => { page.tip.hidden = true; });
  }
  const first = !page, tip = page?.tip ?? make(document.body, "div", "othw-tip");
  if (first) { tip.setAttribute("role", "tooltip"); tip.hidden = true; }
  page = { root, data, tip, marks: [], patterns: [pattern(data.terms, true), pattern(data.terms, false)] };
  if (first) begin();
  setTimeout(scan, 250);
}
