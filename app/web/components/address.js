// The page's address, and how a page is left.
// It is replaced, never pushed, so that Back leaves a page in one press; a page that was left says nothing.
// The browser's storage keeps a copy.  A page opened without a record is asked by its data for the copy, and hands it over.
const KEY = "othello-record", VERSION = 1, LONGEST = 8000;
let handed = false, newest = null;

function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY));
    const fits = found?.version === VERSION && typeof found.page === "string" && typeof found.query === "string";
    return fits && found.query.length <= LONGEST ? { page: found.page, query: found.query } : null;
  } catch {
    return null; // forbidden, or not ours
  }
}

function keep(page, query) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ version: VERSION, page, query }));
  } catch {
    // full or forbidden: the address has it all
  }
}

// Streamlit tells the server that an open menu closes only after the click that closes it, in the old page's name: a link
// to another page would be called back, a button that opens one cut off.  So the menu is closed first, then clicked again.
let closing = false;

function closeFirst(event) {
  const pressed = event.target.closest?.("[data-testid=stMain] :is(a, button)");
  const menu = document.querySelector("[data-testid=stPopoverBody]");
  const other = event.metaKey || event.ctrlKey || event.shiftKey; // a tab of its own
  if (closing || !menu || !pressed || other || menu.contains(pressed) || pressed.closest("[data-testid=stPopover]")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  menu.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  closing = true;
  setTimeout(() => { // by then the menu has told the server
    pressed.click();
    closing = false;
  }, 80);
}

addEventListener("click", closeFirst, true);

export default function ({ data, setTriggerValue }) {
  const page = location.pathname.split("/").pop() || "play";
  const stale = newest && newest.session === data.stamp.session && newest.number > data.stamp.number;
  if (page !== data.page || stale) return;
  newest = data.stamp;
  if (data.bare && !handed) {
    handed = true;
    const found = kept();
    if (found && found.query !== data.query) {
      setTimeout(() => setTriggerValue("found", found)); // what is asked while a component mounts is lost
      return;
    }
  }
  handed = true;
  const query = data.query ? "?" + data.query : "";
  if (location.search !== query) history.replaceState(history.state, "", location.pathname + query + location.hash);
  keep(page, data.query);
}
