// The page's title, the buttons for the tour and the keys, the sheet of keys, and the keys themselves.
const NAVIGATION = /^(Arrow|Home$|End$|Page)/;
const TYPING = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable=true], [role=combobox], [role=textbox]";
const MOVED_BY_ARROWS = "[role=grid], [role=slider], [role=radiogroup], [role=radio], [role=tablist], [role=listbox], [role=menu], input";
let now = null; // the component that is mounted: its root, data and trigger

const make = (parent, tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
};

function show(open) {
  const { sheet, button } = now.root.__parts;
  if (sheet.hidden === !open) return;
  sheet.hidden = !open;
  button.setAttribute("aria-expanded", open);
  if (open) { sheet.__before = document.activeElement; sheet.focus(); }
  else if (sheet.contains(document.activeElement) || document.activeElement === document.body) sheet.__before?.focus();
}

function press(event) {
  if (!now?.root.isConnected || event.altKey || event.defaultPrevented) return;
  const target = event.target instanceof Element ? event.target : document.body;
  if (target.closest(TYPING) || target.closest("[data-testid=stPopoverBody]")) return;
  const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const command = now.data.keys[(event.ctrlKey || event.metaKey ? "Ctrl+" : "") + letter];
  if (!command || command === "play") return; // Enter and the space bar are the focused element's own
  if (NAVIGATION.test(event.key) && target.closest(MOVED_BY_ARROWS)) return;
  if (command === "escape") {
    if (!now.root.__parts.sheet.hidden) { show(false); event.preventDefault(); }
    return;
  }
  event.preventDefault();
  event.stopPropagation(); // Streamlit has letters of its own
  if (command === "help") show(now.root.__parts.sheet.hidden);
  else if (event.key.startsWith("Arrow")) document.querySelector(".st-key-board [role=gridcell][tabindex='0']")?.focus();
  else now.trigger("key", { name: command, serial: now.data.serial });
}

function build(root, data) {
  make(root, "h1");
  make(root, "p");
  if (!data.rows.length) return; // no keys here, so no sheet of them, and no tour of them
  const buttons = make(root, "div", "buttons");
  const tour = make(buttons, "button", "", "Tour"), button = make(buttons, "button", "", "Keys");
  make(button, "kbd", "", "?").setAttribute("aria-hidden", "true");
  for (const one of [tour, button]) one.type = "button";
  const sheet = make(root, "div", "sheet");
  sheet.id = "othello-keys"; sheet.tabIndex = -1; sheet.hidden = true;
  sheet.setAttribute("role", "region"); sheet.setAttribute("aria-label", "Keys");
  button.setAttribute("aria-expanded", "false"); button.setAttribute("aria-controls", sheet.id);
  const table = make(make(sheet, "table"), "tbody");
  for (const [keys, words] of data.rows) {
    const row = make(table, "tr"), head = make(row, "th", "", keys);
    head.scope = "row";
    make(row, "td", "", words);
  }
  const close = make(sheet, "button", "", "Close");
  close.type = "button";
  root.__parts = { sheet, button };
  button.addEventListener("click", () => show(sheet.hidden));
  close.addEventListener("click", () => show(false));
  tour.addEventListener("click", () => window.dispatchEvent(new Event("othello-tour")));
}

export default function ({ data, parentElement, setTriggerValue }) {
  let root = parentElement.querySelector(".othg");
  if (!root) {
    root = make(parentElement, "div", "othg");
    build(root, data);
  }
  root.querySelector("h1").textContent = data.title; // other pages share the place
  root.querySelector("p").textContent = data.line;
  if (!now) window.addEventListener("keydown", press, true);
  now = { root, data, trigger: setTriggerValue };
}
