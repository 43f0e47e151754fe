/**
 * What the forms of new and of existing rows share.
 */
import { can, tableUrl, titleOf } from "./catalog.js";
import { ask } from "./dialogs.js";
import { el } from "./dom.js";
import { addGuard } from "./router.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Row} Row */

/**
 * @param {Table} table
 * @param {...(Node | null | false)} content
 */
export function pageHeader(table, ...content) {
  const back = can(table, "list") && el("a", { href: tableUrl(table) }, titleOf(table));
  return el("header", { class: "page-header" }, el("p", { class: "breadcrumb" }, back), content);
}

/**
 * Ask before a page with unsaved input is left.
 *
 * @param {HTMLElement} element
 * @param {() => boolean} isChanged
 */
export function guardInput(element, isChanged) {
  const update = () => {
    if (isChanged()) element.dataset.unsaved = "";
    else delete element.dataset.unsaved;
  };
  const remove = addGuard(async () => {
    if (!element.isConnected) {
      remove();
      return true;
    }
    if (!isChanged()) return true;
    return ask("Leave without saving?", "Leave", { detail: "Your changes will be lost.", danger: true, cancel: "Stay" });
  });
  return { update, remove };
}

/**
 * Save with Ctrl+S and Ctrl+Enter.
 *
 * @param {HTMLFormElement} form
 */
export function saveByKey(form) {
  form.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && (event.key === "s" || event.key === "Enter")) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}
