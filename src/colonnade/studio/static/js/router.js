/**
 * The page that the URL names. Links are followed without loading the page again.
 */

const BASE = document.documentElement.dataset.base ?? "/";

/** @typedef {{parts: string[], query: URLSearchParams}} Route */

/** @type {(route: Route) => void} */
let show = () => {};

/** The URL of the page that is shown, which differs from that of the browser after "Back". */
let current = location.href;

/** @type {Set<() => Promise<boolean>>} */
const guards = new Set();

/** @returns {Route} */
export function currentRoute() {
  const path = location.pathname.startsWith(BASE) ? location.pathname.slice(BASE.length) : "";
  // The parts stay as they are in the URL, since keys are compared and sent so.
  const parts = path.split("/").filter((part) => part !== "");
  return { parts, query: new URLSearchParams(location.search) };
}

/**
 * Begin to show pages.
 *
 * @param {(route: Route) => void} work
 */
export function startRouter(work) {
  show = work;
  addEventListener("popstate", async () => {
    const next = location.href;
    if (await mayLeave()) {
      current = next;
      show(currentRoute());
    } else {
      history.pushState(null, "", current);
    }
  });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (!(link instanceof HTMLAnchorElement) || !plain || event.defaultPrevented) return;
    const url = new URL(link.href);
    const isPage = url.origin === location.origin && url.pathname.startsWith(BASE);
    if (!isPage || link.target !== "" || link.hasAttribute("download")) return;
    event.preventDefault();
    navigate(url.href);
  });
  addEventListener("beforeunload", (event) => {
    if (guards.size > 0 && document.querySelector("[data-unsaved]")) event.preventDefault();
  });
  show(currentRoute());
}

/**
 * Go to a page.
 *
 * @param {string} url
 * @param {{replace?: boolean, force?: boolean}} [options] `replace` leaves no entry in the history,
 *   and `force` asks nobody.
 */
export async function navigate(url, { replace = false, force = false } = {}) {
  if (!force && !(await mayLeave())) return;
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  current = location.href;
  show(currentRoute());
}

/**
 * Change the query of the page without an entry in the history for each key stroke.
 *
 * @param {URLSearchParams} query
 */
export function setQuery(query) {
  const text = query.toString();
  history.pushState(null, "", `${location.pathname}${text ? `?${text}` : ""}`);
  current = location.href;
  show(currentRoute());
}

/**
 * Ask a form before the page is left.
 *
 * @param {() => Promise<boolean>} guard
 * @returns {() => void} Removes the guard.
 */
export function addGuard(guard) {
  guards.add(guard);
  return () => guards.delete(guard);
}

/** Whether nothing on the page is unsaved, or the user wants to lose it. */
export async function mayLeave() {
  for (const guard of guards) {
    if (!(await guard())) return false;
  }
  return true;
}
