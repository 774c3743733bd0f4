// The chance for black in per cent, ply by ply; click or arrow keys go to a ply.
const SVG = "http://www.w3.org/2000/svg";
const draw = (parent, tag, attributes, text) => {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
};

export default function ({ data, parentElement, setTriggerValue }) {
  let root = parentElement.querySelector(".othp");
  if (!root) {
    root = document.createElement("div");
    root.className = "othp";
    parentElement.appendChild(root);
    root.__title = root.appendChild(document.createElement("div"));
    root.__title.className = "title";
    const svg = draw(root, "svg", { class: "graph", role: "slider", tabindex: "0" });
    root.__svg = svg;
    root.__kinds = root.appendChild(document.createElement("div"));
    root.__kinds.className = "kinds";
    const send = (ply) => {
      const { data, trigger } = root.__now;
      const wanted = Math.min(Math.max(ply, 0), data.words.length - 1);
      if (wanted !== data.ply) trigger("jump", { ply: wanted, serial: data.serial });
    };
    svg.addEventListener("click", (event) => {
      const { data } = root.__now, box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * root.__width;
      send(Math.round(((x - 26) / (root.__width - 34)) * Math.max(data.words.length - 1, data.span, 1)));
    });
    svg.addEventListener("keydown", (event) => {
      const { data } = root.__now;
      const to = { ArrowLeft: data.ply - 1, ArrowRight: data.ply + 1, ArrowDown: data.ply - 1, ArrowUp: data.ply + 1, Home: 0,
        End: data.words.length - 1, PageUp: data.ply - 5, PageDown: data.ply + 5 }[event.key];
      if (to === undefined) return;
      event.preventDefault(); event.stopPropagation();
      send(to);
    });
  }
  root.__now = { data, trigger: setTriggerValue };
  const svg = root.__svg, W = (root.__width = 460), H = 132, top = 8, low = H - 18, mid = (top + low) / 2;
  const values = data.searched.map((value, ply) => value ?? data.sight[ply]), last = Math.max(values.length - 1, data.span, 1);
  const x = (ply) => 26 + (ply / last) * (W - 34), y = (value) => mid - value * (mid - top);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
  root.__title.textContent = data.title;
  svg.setAttribute("aria-label", "Value of the game by ply, black up");
  svg.setAttribute("aria-valuemin", 0); svg.setAttribute("aria-valuemax", values.length - 1); svg.setAttribute("aria-valuenow", data.ply);
  svg.setAttribute("aria-valuetext", data.words[data.ply] || `ply ${data.ply}`);
  draw(svg, "rect", { x: 26, y: top, width: W - 34, height: mid - top, fill: "#000", opacity: 0.12 });
  draw(svg, "rect", { x: 26, y: mid, width: W - 34, height: low - mid, fill: "#fff", opacity: 0.14, stroke: "none" });
  draw(svg, "rect", { x: 26, y: top, width: W - 34, height: low - top, fill: "none", stroke: "currentColor", opacity: 0.25 });
  draw(svg, "line", { x1: 26, x2: W - 8, y1: mid, y2: mid, stroke: "currentColor", opacity: 0.35, "stroke-dasharray": "3 3" });
  for (const [height, number] of [[top + 4, 100], [mid + 4, 50], [low + 1, 0]]) draw(svg, "text", { x: 22, y: height, "text-anchor": "end" }, number);
  const step = last > 40 ? 10 : last > 16 ? 5 : last > 6 ? 2 : 1;
  for (let ply = 0; ply <= last; ply += step) draw(svg, "text", { x: x(ply), y: H - 5, "text-anchor": "middle" }, ply);
  const known = (series) => series.map((value, ply) => [ply, value]).filter(([, value]) => value !== null);
  const line = (series, className) => {
    const points = known(series).map(([ply, value]) => `${x(ply).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    draw(svg, "polyline", { points, class: className });
  };
  line(data.sight, "sight");
  line(data.searched, "searched");
  for (const [ply, value] of known(data.searched)) draw(svg, "circle", { cx: x(ply), cy: y(value), r: 2.6, class: "dot" });
  for (const ply of data.marks || []) if (values[ply] !== null) draw(svg, "path", { d: `M${x(ply) - 5} ${top - 1} h10 l-5 8 z`, fill: "#b35806" });
  draw(svg, "line", { x1: x(data.ply), x2: x(data.ply), y1: top, y2: low, stroke: "currentColor", "stroke-width": 1.5 });
  if (values[data.ply] !== null && values[data.ply] !== undefined)
    draw(svg, "circle", { cx: x(data.ply), cy: y(values[data.ply]), r: 5, class: data.searched[data.ply] === null ? "here sight" : "here dot" });
  const kinds = [["searched", "after search"], ["sight", "at first sight"]].filter(([name]) => known(data[name]).length);
  root.__kinds.replaceChildren(...kinds.map(([name, words]) => {
    const entry = document.createElement("span");
    draw(draw(entry, "svg", { viewBox: "0 0 22 8", "aria-hidden": "true" }), "line", { x1: 0, x2: 22, y1: 4, y2: 4, class: name });
    entry.append(words);
    return entry;
  }));
}
