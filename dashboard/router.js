// Addresses of pages: `/batches/ID?status=failed`. They name what is looked at, and never who looks.
import { useEffect, useState } from "./html.js";

const listeners = new Set();
let moves = 0;

/** Whether the reader came here from another page of ours. */
export function hasMoved() {
  return moves > 0;
}

export function go(address, { replace = false } = {}) {
  if (!replace) moves += 1;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  for (const listener of listeners) listener();
}

/** Where the reader is: the parts of the path, and the query. */
export function usePlace() {
  const [place, setPlace] = useState(read);
  useEffect(() => {
    const follow = () => setPlace(read());
    listeners.add(follow);
    addEventListener("popstate", follow);
    document.addEventListener("click", followLink);
    return () => {
      listeners.delete(follow);
      removeEventListener("popstate", follow);
      document.removeEventListener("click", followLink);
    };
  }, []);
  return place;
}

/** The address of the same page with other filters; an empty one is left out. */
export function withFilters(place, filters) {
  const query = new URLSearchParams(place.query);
  for (const [name, value] of Object.entries(filters)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  return place.path + (text ? `?${text}` : "");
}

function read() {
  const path = location.pathname;
  const parts = path.split("/").filter(Boolean).map(decoded);
  return { path, parts, query: new URLSearchParams(location.search) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

// A plain click on a link of ours changes the page; with a modifier, or to elsewhere, it is the browser's.
function followLink(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (link.getAttribute("href").startsWith("#")) return;
  event.preventDefault();
  go(link.pathname + link.search);
}
