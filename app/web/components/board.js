// The board: draws what `data` says, knows no rule of the game beyond the flips it is told, reports moves as triggers.
const COLUMNS = "abcdefgh";
let games = 0; // begun on this page so far: where a menu far below began one, the board is brought into view
const nameOf = (square, n) => COLUMNS[square % n] + (Math.floor(square / n) + 1);
const make = (parent, tag, className) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  parent.appendChild(element);
  return element;
};

function build(root, data) {
  const n = data.size, cells = [];
  root.replaceChildren();
  const board = { n, cells, focus: 0, hover: null, data, picture: data.picture };
  board.title = make(root, "div", "oth-title");
  board.score = make(root, "div", "oth-score");
  board.sides = ["X", "O"].map((side, i) => {
    const box = make(board.score, "div", i ? "oth-side right" : "oth-side");
    make(box, "span", "oth-chip " + (i ? "oth-white" : "oth-black")).setAttribute("aria-hidden", "true");
    return { box, count: make(box, "span", "oth-count"), name: make(box, "span", "oth-name"), side };
  });
  const inner = make(make(root, "div", "oth-frame"), "div", "oth-inner");
  const edge = (className, horizontal) => {
    const line = make(inner, "div", className);
    line.setAttribute("aria-hidden", "true");
    line.style[horizontal ? "gridTemplateColumns" : "gridTemplateRows"] = `repeat(${n}, 1fr)`;
    for (let i = 0; i < n; i++) make(line, "span").textContent = horizontal ? COLUMNS[i] : i + 1;
    return line;
  };
  edge("oth-files", true).style.gridRow = "1";
  edge("oth-ranks", false).style.gridColumn = "1";
  const grid = (board.grid = make(inner, "div", "oth-grid"));
  grid.style.gridTemplateColumns = grid.style.gridTemplateRows = `repeat(${n}, 1fr)`;
  edge("oth-ranks end", false);
  edge("oth-files end", true).style.gridRow = "3";
  if (!data.picture) { grid.setAttribute("role", "grid"); grid.setAttribute("aria-rowcount", n); grid.setAttribute("aria-colcount", n); }
  else grid.setAttribute("role", "img");
  for (let r = 0; r < n; r++) {
    const row = make(grid, "div", "oth-row");
    if (!data.picture) row.setAttribute("role", "row");
    for (let c = 0; c < n; c++) {
      const cell = make(row, "div", "oth-cell");
      if (!data.picture) {
        cell.setAttribute("role", "gridcell");
        cell.dataset.square = nameOf(r * n + c, n);
        cell.tabIndex = -1;
      }
      for (const part of ["disc", "dot", "num", "step"]) make(cell, "span", "oth-" + part).setAttribute("aria-hidden", "true");
      cells.push(cell);
    }
  }
  board.legend = make(root, "div", "oth-legend");
  board.ramp = make(board.legend, "i"); board.ticks = make(board.legend, "div"); board.poles = make(board.legend, "div");
  board.status = make(root, "div", "oth-status");
  if (!data.picture) { board.status.setAttribute("role", "status"); board.status.setAttribute("aria-live", "polite"); listen(root, board); }
  return board;
}

function listen(root, board) {
  const squareOf = (event) => board.cells.indexOf(event.target.closest?.(".oth-cell"));
  board.grid.addEventListener("click", (event) => {
    const square = squareOf(event);
    if (square >= 0) { setFocus(board, square, false); act(root, board, square); }
  });
  board.grid.addEventListener("pointerover", (event) => event.pointerType === "mouse" && preview(board, squareOf(event)));
  board.grid.addEventListener("pointerleave", () => preview(board, -1));
  board.grid.addEventListener("focusin", (event) => {
    const square = squareOf(event);
    if (square >= 0) { setFocus(board, square, false); if (event.target.matches(":focus-visible")) preview(board, square); }
  });
  board.grid.addEventListener("focusout", () => preview(board, -1));
  board.grid.addEventListener("keydown", (event) => {
    const n = board.n, r = Math.floor(board.focus / n), c = board.focus % n;
    const to = {
      ArrowLeft: [r, Math.max(c - 1, 0)], ArrowRight: [r, Math.min(c + 1, n - 1)], ArrowUp: [Math.max(r - 1, 0), c],
      ArrowDown: [Math.min(r + 1, n - 1), c], Home: event.ctrlKey ? [0, 0] : [r, 0], End: event.ctrlKey ? [n - 1, n - 1] : [r, n - 1],
      PageUp: [0, c], PageDown: [n - 1, c],
    }[event.key];
    if (to) setFocus(board, to[0] * n + to[1], true);
    else if (event.key === "Enter" || event.key === " ") act(root, board, board.focus);
    else return;
    event.preventDefault(); event.stopPropagation();
  });
}

function setFocus(board, square, grab) {
  board.cells[board.focus].tabIndex = -1;
  board.focus = square;
  board.cells[square].tabIndex = 0;
  if (grab) board.cells[square].focus();
}

function preview(board, square) {
  if (board.hover === square) return;
  board.hover = square;
  const flips = (!board.data.busy && board.data.legal?.[square]) || null;
  board.cells.forEach((cell, i) => {
    const ghost = Boolean(flips) && i === square;
    cell.classList.toggle("ghost", ghost);
    cell.classList.toggle("as" + board.data.side, ghost);
    cell.classList.toggle("would", Boolean(flips?.includes(i)));
  });
}

function act(root, board, square) {
  const data = board.data;
  if (data.busy || board.sent === data.serial) return;
  if (data.mode === "edit") { board.sent = data.serial; board.trigger("edit", { square, serial: data.serial }); return; }
  const flips = data.legal?.[square];
  if (!flips) return;
  board.sent = data.serial;
  const letters = [...data.cells];
  for (const i of [square, ...flips]) letters[i] = data.side;
  preview(board, -1);
  paint(root, board, { ...data, cells: letters.join(""), legal: {}, last: square, busy: true, turn: null, status: "" });  // shown before the server answers
  board.trigger("move", { square, ply: data.ply, serial: data.serial });
}

function paint(root, board, data) {
  const old = board.shown, n = data.size;
  board.shown = board.data = data;
  root.className = ["oth", data.fills ? "heat" : "", data.numbers ? "numbers" : "", data.small ? "small" : "", data.mode === "edit" ? "edit" : ""].join(" ").trim();
  root.setAttribute("aria-busy", data.busy ? "true" : "false");
  board.grid.setAttribute("aria-label", data.label || "Othello board");
  board.title.textContent = data.title || ""; board.title.hidden = !data.title;
  board.score.hidden = !data.names;
  if (data.names) board.sides.forEach(({ box, count, name, side }, i) => {
    count.textContent = [...data.cells].filter((letter) => letter === side).length;
    name.textContent = data.names[i];
    box.classList.toggle("turn", data.turn === side);
  });
  const dark = { X: "black", O: "white", "-": "empty" };
  board.cells.forEach((cell, i) => {
    const letter = data.cells[i], before = old ? old.cells[i] : letter;
    const changed = before !== letter && before !== "-" && letter !== "-";
    cell.classList.toggle("X", letter === "X"); cell.classList.toggle("O", letter === "O");
    if (changed) { cell.classList.remove("flip"); void cell.offsetWidth; cell.classList.add("flip"); }
    const legal = Boolean(data.legal?.[i]);
    cell.classList.toggle("legal", legal && !data.busy);
    cell.classList.toggle("last", data.last === i);
    const outlined = Boolean(data.outlined?.includes(i));
    cell.classList.toggle("outlined", outlined);
    if (data.fills) cell.style.setProperty("--fill", data.fills[i]); else cell.style.removeProperty("--fill");
    const number = cell.children[2];
    number.textContent = data.numbers?.[i] || "";
    cell.classList.toggle("numbered", Boolean(number.textContent));
    number.style.color = data.fills && data.inks ? data.inks[i] : "";
    const step = data.steps ? data.steps.indexOf(i) : -1;
    cell.children[3].textContent = step >= 0 ? step + 1 : "";
    cell.classList.toggle("step", step >= 0);
    for (const side of "XO") cell.classList.toggle("by" + side, step >= 0 && data.movers[step] === side);
    if (!board.picture) {
      const words = [nameOf(i, n) + " " + dark[letter]];
      if (legal && !data.busy) words.push("legal move");
      if (data.last === i) words.push("last move");
      if (outlined) words.push("outlined");
      if (step >= 0) words.push(`move ${step + 1} of the expected line`);
      if (data.notes?.[i]) words.push(data.notes[i]);
      cell.setAttribute("aria-label", words.join(", "));
    }
  });
  board.legend.hidden = !data.legend;
  if (data.legend) {
    for (const [line, words] of [[board.ticks, data.legend.numbers], [board.poles, data.legend.sides]])
      line.replaceChildren(...words.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
    board.ramp.style.background = `linear-gradient(90deg, ${data.legend.colours.join(", ")})`;
  }
  if (board.status.textContent !== (data.status || "")) board.status.textContent = data.status || "";
}

export default function ({ data, parentElement, setTriggerValue }) {
  let root = parentElement.querySelector(".oth");
  if (!root) root = make(parentElement, "div", "oth");
  let board = root.__board;
  const before = board?.data.stamp, now = data.stamp;
  if (before && now && before.session === now.session && before.number > now.number) return; // came late while this file loaded
  if (!board || board.n !== data.size || Boolean(board.picture) !== Boolean(data.picture)) {
    board = root.__board = build(root, data);
    const first = Object.keys(data.legal || {})[0];
    board.focus = Number(first ?? 0);
    board.cells[board.focus].tabIndex = data.picture ? -1 : 0;
  }
  board.trigger = setTriggerValue;
  if (data.serial !== board.sent) board.sent = null;
  const hovered = board.hover;
  preview(board, -1);
  paint(root, board, data);
  if (hovered >= 0 && hovered !== null) preview(board, hovered);
  if (data.games && data.games !== games) requestAnimationFrame(() => root.scrollIntoView({ block: "nearest" }));
  games = data.games ?? games;
}
