// Steps through the game: buttons, arrow keys, the slider, the graph, the table.
const game = JSON.parse(document.getElementById("game").textContent);
const last = game.boards.length - 1, names = { X: "black", O: "white", "-": "empty" };
const cells = [...document.querySelectorAll("[role=gridcell]")], slider = document.getElementById("ply");
const said = document.getElementById("said"), here = document.getElementById("here"), list = document.querySelector(".list");
const rows = [...document.querySelectorAll("tr[data-row]")], graph = document.querySelector(".graph");
let ply = 0;
const show = (wanted) => {
  ply = Math.min(Math.max(wanted, 0), last);
  cells.forEach((cell, square) => {
    const name = names[game.boards[ply][square]];
    cell.className = `cell ${name}${game.last[ply] === square ? " last" : ""}`;
    cell.setAttribute("aria-label", `${cell.getAttribute("aria-label").split(" ")[0]} ${name}${game.last[ply] === square ? ", last move" : ""}`);
  });
  slider.value = ply;
  slider.setAttribute("aria-valuetext", game.words[ply]);
  said.textContent = game.words[ply];
  here.setAttribute("transform", `translate(${ply * game.step} 0)`);
  for (const row of rows) {
    if (Number(row.dataset.row) !== ply) { row.removeAttribute("aria-current"); continue; }
    row.setAttribute("aria-current", "true");
    const top = row.offsetTop - row.parentElement.previousElementSibling.offsetHeight;
    if (top < list.scrollTop || row.offsetTop + row.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 3;
  }
};
const go = { first: () => show(0), back: () => show(ply - 1), on: () => show(ply + 1), last: () => show(last) };
for (const button of document.querySelectorAll("[data-go]")) button.addEventListener("click", () => go[button.dataset.go]());
for (const button of document.querySelectorAll("[data-ply]"))
  button.addEventListener("click", () => {
    show(Number(button.dataset.ply));
    if (button.closest(".turn")) document.querySelector(".frame").scrollIntoView({ block: "nearest" });
  });
slider.addEventListener("input", () => show(Number(slider.value)));
graph.addEventListener("click", (event) => {
  const box = graph.getBoundingClientRect();
  show(Math.round((((event.clientX - box.left) / box.width) * game.width - game.left) / game.step));
});
document.addEventListener("keydown", (event) => {
  if (event.target === slider || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const inside = event.target.closest && event.target.closest(".viewer");
  const wanted = { ArrowLeft: "back", ArrowRight: "on", ...(inside ? { Home: "first", End: "last" } : {}) }[event.key];
  if (!wanted) return;
  event.preventDefault();
  go[wanted]();
});
show(0);
