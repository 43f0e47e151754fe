/**
 * The list of the tables at the side.
 */
import { session } from "./api.js";
import { can, catalog, pageUrl, tableUrl, titleOf } from "./catalog.js";
import { button, el, fill } from "./dom.js";
import { mayLeave } from "./router.js";

const THEME = "studio-theme";

/** The values of `color-scheme`, and what the button says. */
const THEMES = [
  { scheme: "light dark", name: "system" },
  { scheme: "light", name: "light" },
  { scheme: "dark", name: "dark" },
];

function currentTheme() {
  const stored = localStorage.getItem(THEME);
  return Math.max(THEMES.findIndex((theme) => theme.scheme === stored), 0);
}

function applyTheme() {
  document.documentElement.style.colorScheme = THEMES[currentTheme()]?.scheme ?? "";
}

applyTheme();

let searched = "";

/**
 * Show the tables.
 *
 * @param {HTMLElement} nav
 * @param {string | null} current The id of the table on the page, or the section.
 */
export function navigation(nav, current) {
  document.body.classList.remove("nav-open");
  const list = el("div", { class: "tables" });
  const search = el("input", {
    id: "table-search",
    type: "search",
    placeholder: "Find a table (Ctrl+K)",
    "aria-label": "Find a table",
    value: searched,
    oninput: () => {
      searched = search.value;
      fill(list, groups(current));
    },
  });
  fill(
    nav,
    el(
      "div",
      { class: "brand" },
      el("a", { href: pageUrl("") }, catalog.title),
      button("Menu", () => { document.body.classList.toggle("nav-open"); }, { class: "button menu" }),
    ),
    el("div", { class: "nav-body" }, catalog.tables.length > 8 && search, list, footer(current)),
  );
  fill(list, groups(current));
}

/** @param {string | null} current */
function groups(current) {
  const text = searched.trim().toLowerCase();
  const tables = catalog.tables.filter(
    (table) => can(table, "list") && titleOf(table).toLowerCase().includes(text),
  );
  if (tables.length === 0) return [el("p", { class: "hint" }, "No matching tables.")];
  // Tables without a group come first: below others, they would seem to belong to the last group.
  const names = ["", ...new Set(tables.flatMap((table) => table.studio.group ?? []))];
  return names.flatMap((name) => [
    name !== "" && el("h2", {}, name),
    el(
      "ul",
      {},
      tables
        .filter((table) => (table.studio.group ?? "") === name)
        .map((table) =>
          el(
            "li",
            {},
            el(
              "a",
              { href: tableUrl(table), "aria-current": table.id === current ? "page" : null },
              titleOf(table),
            ),
          ),
        ),
    ),
  ]);
}

/** @param {string | null} current */
function footer(current) {
  const label = () => `Theme: ${THEMES[currentTheme()]?.name}`;
  const toggle = button(
    label(),
    () => {
      const next = THEMES[(currentTheme() + 1) % THEMES.length];
      localStorage.setItem(THEME, next?.scheme ?? "");
      applyTheme();
      fill(toggle, label());
    },
    { class: "button quiet" },
  );
  return el(
    "div",
    { class: "nav-footer" },
    el(
      "a",
      { href: pageUrl("schema"), "aria-current": current === "schema" ? "page" : null },
      "Schema",
    ),
    toggle,
    session.bearer !== "" &&
      button(
        "Sign out",
        async () => {
          if (!(await mayLeave())) return;
          session.bearer = "";
          document.querySelector("[data-unsaved]")?.removeAttribute("data-unsaved");
          location.reload();
        },
        { class: "button quiet" },
      ),
  );
}
