/**
 * Studio: loads the catalog and shows the page that the URL names.
 */
import "./notices.js";
import { RequestError, onExpiredToken, session } from "./api.js";
import { catalog, can, loadCatalog, pageUrl, tableOf, tableUrl, titleOf } from "./catalog.js";
import { failure, signIn } from "./dialogs.js";
import { el, fill } from "./dom.js";
import { navigate, startRouter } from "./router.js";
import { rowPage } from "./row-page.js";
import { schemaPage } from "./schema-page.js";
import { navigation } from "./navigation.js";
import { tablePage } from "./table-page.js";

const main = el("main", { id: "content", tabindex: "-1" });
const nav = el("nav", { "aria-label": "Tables" });

/** Load what all pages need, and ask for a sign-in until it can be loaded. */
async function start() {
  fill(main, el("p", { class: "waiting", role: "status" }, "Loading\u2026"));
  try {
    await loadCatalog();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const isRefused = error.needsSignIn || (error.status === 403 && session.bearer !== "");
    if (isRefused && (await signIn(error.message))) await start();
    else fill(main, failure(error, start));
    return;
  }
  onExpiredToken(loadCatalog);
  startRouter(show);
}

/** @type {string | null} */
let shownPath = null;

/** @param {import("./router.js").Route} route */
function show({ parts, query }) {
  const [section, id, below, key] = parts;
  const table = tableOf(decoded(id ?? ""));
  navigation(nav, section === "tables" ? (table?.id ?? null) : (section ?? null));
  const page = content(section, table, below, key, id, query);
  fill(main, page);
  // Only another page takes the focus: another query of the same one does not.
  if (shownPath !== null && shownPath !== location.pathname) main.focus();
  shownPath = location.pathname;
  document.title = `${main.querySelector("h1")?.textContent ?? ""} \u00b7 ${catalog.title}`;
}

/**
 * A part of a path without its escapes; as it is if they are not valid.
 *
 * @param {string} part
 */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * @param {string | undefined} section
 * @param {import("./types.js").Table | null} table
 * @param {string | undefined} below
 * @param {string | undefined} key
 * @param {string | undefined} id
 * @param {URLSearchParams} query
 */
function content(section, table, below, key, id, query) {
  if (section === "schema") return schemaPage(table, id);
  if (section === "tables" && table !== null) {
    if (below === undefined) return tablePage(table, query);
    if (below === "new") return rowPage(table, null, query);
    if (below === "copy" && key !== undefined) return rowPage(table, null, query, key);
    if (below === "rows" && key !== undefined) return rowPage(table, key, query);
  }
  if (section === undefined) return startPage();
  return notFound();
}

/** The page without a table: it leads to the first one. */
function startPage() {
  const first = catalog.tables.find((table) => can(table, "list"));
  if (first) {
    queueMicrotask(() => navigate(tableUrl(first), { replace: true }));
    return el("p", { class: "waiting" }, `Opening ${titleOf(first)}\u2026`);
  }
  return el(
    "section",
    { class: "empty" },
    el("h1", {}, "No tables"),
    el("p", {}, "There are no tables that you can read."),
    ...catalog.leftOut.map((reason) => el("p", { class: "hint" }, `Left out: ${reason}`)),
  );
}

function notFound() {
  return el(
    "section",
    { class: "empty" },
    el("h1", {}, "Not found"),
    el("p", {}, "This page does not exist, or you do not have access to it."),
    el("p", {}, el("a", { href: pageUrl("") }, "Back to the tables")),
  );
}

document.body.append(
  el("a", { class: "skip", href: "#content", onclick: skip }, "Skip to content"),
  nav,
  main,
  document.createElement("studio-notices"),
);

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  main.focus();
}

addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "k") {
    const search = document.querySelector("#table-search");
    if (search instanceof HTMLInputElement) {
      event.preventDefault();
      document.body.classList.add("nav-open");
      search.focus();
    }
  }
});

await start();
