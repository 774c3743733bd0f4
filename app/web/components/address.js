// The page's address: replaced, never pushed, so that Back leaves a page in one press; a page that was left says nothing.
export default function ({ data }) {
  const query = data.query ? "?" + data.query : "";
  const page = location.pathname.split("/").pop() || "play";
  if (page === data.page && location.search !== query)
    history.replaceState(history.state, "", location.pathname + query + location.hash);
}
