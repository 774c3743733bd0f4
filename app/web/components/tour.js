// A tour of the live page in a few steps: a line that says what the outlined part is for.  It stands aside of nothing,
// goes on by itself when a disc is played, and once skipped or finished it comes back only when it is asked for.
const KEY = "othello-tour", DONE = "done";
let now = null;

const make = (parent, tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
};

function seen() {
  try {
    return localStorage.getItem(KEY) === DONE;
  } catch {
    return true; // nothing can be kept here, so nothing is shown unasked
  }
}

function end() {
  try {
    localStorage.setItem(KEY, DONE);
  } catch {
    // it is asked for again, or not at all
  }
  show(null);
}

function show(step, moved = false) {
  const { root, data } = now, at = root.__step = step;
  root.hidden = at === null;
  root.__ring.textContent = at === null ? "" : `.stMain ${data.steps[at].at} { outline: 3px solid var(--st-primary-color, #2c7a58);
    outline-offset: ${data.steps[at].at.includes("oth-frame") ? 0 : 4}px; border-left-color: transparent; border-radius: 10px; }`;
  if (at === null) return;
  root.__count.textContent = `${at + 1} of ${data.steps.length}`;
  root.__words.textContent = data.steps[at].words;
  root.__back.disabled = at === 0;
  root.__next.textContent = at + 1 === data.steps.length ? "Done" : "Next";
  if (!moved) return;
  const part = document.querySelector(`.stMain ${data.steps[at].at}`);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  part?.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
}

function build(root) {
  root.setAttribute("role", "region"); root.setAttribute("aria-label", "Tour");
  root.__ring = make(root, "style");
  const said = make(root, "div", "said");
  said.setAttribute("aria-live", "polite");
  root.__count = make(said, "b"); root.__words = make(said, "span");
  const buttons = make(root, "div", "buttons");
  const button = (name, act) => {
    const one = make(buttons, "button", "", name);
    one.type = "button";
    one.addEventListener("click", act);
    return one;
  };
  root.__back = button("Back", () => show(root.__step - 1, true));
  root.__next = button("Next", () => (root.__step + 1 < now.data.steps.length ? show(root.__step + 1, true) : end()));
  button("Skip", end);
}

export default function ({ data, parentElement }) {
  let root = parentElement.querySelector(".otht");
  const fresh = !root;
  if (fresh) {
    root = make(parentElement, "div", "otht");
    build(root);
  }
  if (!now) window.addEventListener("othello-tour", () => { show(0, true); now.root.__next.focus(); });
  const before = now?.data.ply;
  now = { root, data };
  if (fresh) show(seen() ? null : 0);
  else if (root.__step === 0 && data.ply > before) show(1);
}
