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

/** A page with a form, which asks before it is left with unsaved input. */
export class FormPage extends HTMLElement {
  constructor() {
    super();
    this.className = "row-page";
    /** @type {(() => void) | null} */
    this.removeGuard = null;
  }

  /** Whether something was typed that is not saved. */
  get isTyped() {
    return false;
  }

  connectedCallback() {
    this.removeGuard = addGuard(async () => {
      if (!this.isTyped) return true;
      return ask("Leave without saving?", "Leave", { detail: "Your changes will be lost.", danger: true, cancel: "Stay" });
    });
  }

  disconnectedCallback() {
    this.removeGuard?.();
  }

  /** Let the browser ask before the tab is closed, if there is unsaved input. */
  markTyped() {
    if (this.isTyped) this.dataset.unsaved = "";
    else delete this.dataset.unsaved;
  }
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
