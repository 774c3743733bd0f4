// A matrix of small maps on one scale; each is a button that reports its row and column.
const SVG = "http://www.w3.org/2000/svg";
const make = (parent, tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
};

function map(parent, n, letters, fills) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${n} ${n}`);
  svg.setAttribute("aria-hidden", "true");
  const draw = (tag, attributes) => {
    const shape = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    svg.appendChild(shape);
  };
  fills.forEach((fill, i) => {
    const x = i % n, y = Math.floor(i / n), letter = letters[i];
    draw("rect", { x, y, width: 1.02, height: 1.02, fill });
    if (letter !== "-") draw("circle", { cx: x + .5, cy: y + .5, r: .2, class: letter });
  });
  parent.appendChild(svg);
}

export default function ({ data, parentElement, setTriggerValue }) {
  let root = parentElement.querySelector(".othp");
  if (!root) root = make(parentElement, "div", "othp");
  const focused = root.querySelector(":focus")?.dataset.place;
  root.replaceChildren();
  if (data.title) make(root, "div", "title", data.title);
  const table = make(make(root, "div", "wide"), "table", "matrix");
  const head = make(make(table, "thead"), "tr");
  for (const name of ["", ...data.columns]) make(head, "th", "", name).scope = "col";
  head.setAttribute("role", "row"); // which a narrow page's grid would take from them
  const body = make(table, "tbody");
  data.rows.forEach((name, r) => {
    const line = make(body, "tr"), side = make(line, "th", "", name);
    line.setAttribute("role", "row");
    side.scope = "row"; side.setAttribute("role", "rowheader");
    data.columns.forEach((column, c) => {
      const cell = data.cells[r][c], place = make(line, "td");
      if (!cell) { place.textContent = "–"; return; }
      const button = make(place, "button");
      button.type = "button";
      button.dataset.place = `${r} ${c}`;
      button.setAttribute("aria-pressed", cell.pinned ? "true" : "false");
      button.setAttribute("aria-label", `${name}, ${column}: ${cell.words}; pin it`);
      map(button, data.size, cell.letters, cell.fills);
      for (const text of cell.numbers) make(button, "small", "", text);
      button.addEventListener("click", () => setTriggerValue("pick", { row: r, column: c, serial: data.serial }));
      if (button.dataset.place === focused) requestAnimationFrame(() => button.focus({ preventScroll: true }));
    });
  });
  const legend = make(root, "div", "ramp");
  make(legend, "i").style.background = `linear-gradient(90deg, ${data.legend.colours.join(", ")})`;
  for (const words of [data.legend.numbers, data.legend.sides]) {
    const line = make(legend, "div");
    for (const text of words) make(line, "span", "", text);
  }
}
