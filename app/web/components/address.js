// The page's address: replaced, never pushed, so that Back leaves a page in one press.
export default function ({ data, parentElement }) {
  const query = data.query ? "?" + data.query : "";
  if (parentElement.dataset.query === query) return;
  parentElement.dataset.query = query;
  if (location.search !== query) history.replaceState(history.state, "", location.pathname + query + location.hash);
}
