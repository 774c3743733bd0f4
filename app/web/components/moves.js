// A table of moves with bars for prior and visits; choosing a row reports its square.
const make = (parent, tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
};

let news = 0; // tables that were asked for and brought into view

export default function ({ data, parentElement, setTriggerValue }) {
  let root = parentElement.querySelector(".othp");
  if (!root) root = make(parentElement, "div", "othp");
  const focused = root.querySelector(":focus")?.textContent;
  root.replaceChildren();
  if (data.title) make(root, "div", "title", data.title);
  const table = make(root, "table");
  const head = make(make(table, "thead"), "tr");
  for (const column of data.columns) make(head, "th", "", column).scope = "col";
  const body = make(table, "tbody");
  for (const row of data.rows) {
    const line = make(body, "tr", (data.pickable ? "pick" : "") + (row.chosen ? " chosen" : ""));
    row.cells.forEach((cell, i) => {
      const place = make(line, "td");
      if (i === 0 && data.pickable) {
        const button = make(place, "button", "", cell);
        button.type = "button";
        if (data.verb) button.setAttribute("aria-label", `${cell}: ${data.verb}`);
        if (cell === focused) requestAnimationFrame(() => button.focus({ preventScroll: true }));
      } else if (typeof cell === "object") {
        const both = make(place, "span", "both");
        const bar = make(both, "span", "bar");
        make(bar, "i").style.width = `${Math.max(0, Math.min(1, cell.share)) * 100}%`;
        make(both, "span", "", cell.text);
      } else place.textContent = cell;
    });
    if (data.pickable) line.addEventListener("click", () => {
      setTriggerValue("pick", { value: row.value, serial: data.serial });
      if (data.shows) document.querySelector(data.shows)?.scrollIntoView({ block: "nearest" }); // far away on a phone
    });
  }
  if (data.news && data.news !== news) { news = data.news; requestAnimationFrame(() => root.scrollIntoView({ block: "nearest" })); }
}
