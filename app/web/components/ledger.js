// The account under every map: target = squares + bias + stabilizer, as bars that start where the one before ended.
const make = (parent, tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
};

export default function ({ data, parentElement }) {
  let root = parentElement.querySelector(".othp");
  if (!root) root = make(parentElement, "div", "othp");
  root.replaceChildren();
  if (data.title) make(root, "div", "title", data.title);
  const table = make(root, "table", "ledger");
  table.setAttribute("aria-label", data.label);
  const body = make(table, "tbody");
  let low = Math.min(0, data.total), high = Math.max(0, data.total), at = 0;
  for (const row of data.rows) { at += row.value; low = Math.min(low, at); high = Math.max(high, at); }
  const width = high - low || 1, place = (value) => ((value - low) / width) * 100;
  const add = (name, from, to, text, total) => {
    const line = make(body, "tr", total ? "total" : "");
    make(line, "td", "", name);
    const flow = make(make(line, "td"), "span", "flow");
    make(flow, "b").style.left = `${place(0)}%`;
    const bar = make(flow, "i", (to >= from ? "pos" : "neg") + (data.swap ? " swap" : ""));
    bar.style.left = `${place(Math.min(from, to))}%`;
    bar.style.width = `${(Math.abs(to - from) / width) * 100}%`;
    make(line, "td", "", text);
  };
  at = 0;
  for (const row of data.rows) { add(row.name, at, at + row.value, row.text); at += row.value; }
  add(data.name, 0, data.total, data.text, true);
}
