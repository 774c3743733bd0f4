// Curves over a common axis, drawn as one image with a description in words.
const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["var(--st-primary-color, #1b7150)", "#b35806", "#2166ac", "#762a83"];
const draw = (parent, tag, attributes, text) => {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
};
const nice = (value) =>
  (Math.abs(value) >= 1000 ? `${(value / 1000).toFixed(1)}k` : Number(value.toPrecision(4)).toString()).replace("-", "−");

function round(least, most) { // a few round numbers between two
  const rough = (most - least) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((one) => one * power >= rough), found = [];
  for (let at = Math.ceil(least / step - 1e-9); at * step <= most + 1e-9 * step; at++) found.push(at * step);
  return found;
}

export default function ({ data, parentElement }) {
  let root = parentElement.querySelector(".othp");
  if (!root) { root = document.createElement("div"); root.className = "othp"; parentElement.appendChild(root); }
  root.replaceChildren();
  const title = root.appendChild(document.createElement("div"));
  title.className = "title";
  title.textContent = data.title;
  const W = 460, H = 190, left = 44, top = 8, right = W - 10, low = H - 40;
  const svg = draw(root, "svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": data.label });
  const all = data.series.flatMap((s) => s.values.filter((v) => v !== null));
  if (!all.length) return;
  let [least, most] = [Math.min(...all), Math.max(...all)];
  if (most - least < 1e-9) { least -= 0.5; most += 0.5; }
  const [first, last] = [data.x[0], data.x[data.x.length - 1]];
  const x = (v) => left + ((v - first) / Math.max(last - first, 1e-9)) * (right - left);
  const y = (v) => low - ((v - least) / (most - least)) * (low - top);
  for (const value of round(least, most)) {
    draw(svg, "line", { x1: left, x2: right, y1: y(value), y2: y(value), stroke: "currentColor", opacity: 0.12 });
    draw(svg, "text", { x: left - 6, y: y(value) + 3.5, "text-anchor": "end" }, nice(value));
  }
  for (const value of round(first, last).filter(Number.isInteger))
    draw(svg, "text", { x: x(value), y: low + 14, "text-anchor": "middle" }, nice(value));
  data.series.forEach((series, i) => {
    const points = series.values.map((v, k) => (v === null ? null : `${x(data.x[k]).toFixed(1)},${y(v).toFixed(1)}`)).filter(Boolean);
    draw(svg, "polyline", { points: points.join(" "), fill: "none", stroke: COLOURS[i % 4], "stroke-width": 1.8, "stroke-linejoin": "round",
      "stroke-dasharray": i % 2 ? "5 3" : "none" });
    draw(svg, "line", { x1: left + 120 * i, x2: left + 120 * i + 18, y1: H - 8, y2: H - 8, stroke: COLOURS[i % 4], "stroke-width": 2.4,
      "stroke-dasharray": i % 2 ? "5 3" : "none" });
    draw(svg, "text", { x: left + 120 * i + 23, y: H - 4.5 }, series.name);
  });
}
