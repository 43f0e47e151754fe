/**
 * The page of a table: its rows in a grid, by cursor.
 */
import { linkedQuery, send } from "./api.js";
import { openBulkEdit, removeRows } from "./bulk.js";
import { runAction } from "./actions.js";
import { can, fieldTitle, keyOf, nounOf, pageUrl, searchFields, titleOf, words } from "./catalog.js";
import { csvOf, saveFile } from "./csv.js";
import { failure, openDialog } from "./dialogs.js";
import { button, debounced, el, fill, uniqueId } from "./dom.js";
import { filterChips, openFilters } from "./filters.js";
import { Grid } from "./grid.js";
import { PAGE_SIZE, countedRelations, firstPage, requestQuery, searchConditions, searchedText, shownFields, withFilters } from "./query.js";
import { openRequest, timing } from "./request-panel.js";
import { setQuery } from "./router.js";
import { rowsOf, totalOf } from "./rows.js";
import { withSignIn } from "./sign-in.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Row} Row */

/**
 * @param {Table} table
 * @param {URLSearchParams} query That of the URL, which is that of the API.
 */
export function tablePage(table, query) {
  return new TablePage(table, query);
}

/**
 * What has the focus once the rows of another query are shown, since the page is made anew then.
 *
 * @type {string | null}
 */
let focused = null;

/**
 * Show what another query asks for.
 *
 * @param {URLSearchParams} query
 * @param {string} focus The selector of what gets the focus.
 */
function show(query, focus) {
  focused = focus;
  setQuery(query);
}

const GRID = ".grid-scroll, .empty";

class TablePage extends HTMLElement {
  /**
   * @param {Table} table
   * @param {URLSearchParams} query
   */
  constructor(table, query) {
    super();
    this.table = table;
    this.query = query;
    /** @type {import("./api.js").Answer | null} */
    this.answer = null;
    /** @type {Row[]} */
    this.rows = [];
    /** @type {Row[]} */
    this.selected = [];
    /** @type {Grid | null} */
    this.grid = null;
    this.body = el("div", { class: "grid-area" });
    this.summary = el("span", { class: "hint", role: "status" });
    this.footer = el("div", { class: "grid-footer" });
    this.selection = el("div", { class: "selection", hidden: true });
    this.className = "table-page";
    fill(
      this,
      this.#header(),
      filterChips(table, query, (filters) => this.#filter(filters)),
      this.selection,
      this.body,
      this.footer,
    );
    this.load();
  }

  #header() {
    const { table, query } = this;
    const actions = [
      button("Filter", () => openFilters(table, query, (filters) => this.#filter(filters)), { "data-tool": "filter" }),
      button("Columns", () => this.#openColumns(), { "data-tool": "columns" }),
      button("CSV", () => this.#save()),
      button("Request", () => openRequest(table, `?${requestQuery(table, query)}`, this.answer)),
      button("Reload", () => this.load()),
    ];
    return el(
      "header",
      { class: "page-header" },
      el("h1", {}, titleOf(table)),
      this.#search(),
      el("div", { class: "toolbar", role: "toolbar", "aria-label": "Rows" }, actions),
      can(table, "create") &&
        el("a", { class: "button primary", href: pageUrl(`tables/${table.id}/new`) }, `New ${nounOf(table)}`),
    );
  }

  /** @param {[string, string][]} filters */
  #filter(filters) {
    show(withFilters(this.query, filters), '[data-tool="filter"]');
  }

  #search() {
    const { table, query } = this;
    const fields = searchFields(table);
    if (fields.length === 0) return null;
    const titles = fields.map((name) => words(name).toLowerCase()).join(" or ");
    const apply = () => {
      const changed = firstPage(query);
      const text = input.value.trim();
      if (text === "") changed.delete("where");
      else changed.set("where", searchConditions(table, text));
      show(changed, ".row-search");
    };
    const input = el("input", {
      type: "search",
      class: "row-search",
      placeholder: `Search ${titles}`,
      "aria-label": `Search ${titles}`,
      value: searchedText(table, query),
      onchange: apply,
    });
    return input;
  }

  async load() {
    this.body.setAttribute("aria-busy", "true");
    if (this.rows.length === 0) fill(this.body, el("p", { class: "waiting", role: "status" }, "Loading rows\u2026"));
    try {
      const query = requestQuery(this.table, this.query);
      this.answer = await withSignIn(() => send("GET", `data/${this.table.id}?${query}`));
      this.rows = rowsOf(this.table, this.answer.data);
      this.#show();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const reset = el("a", { class: "button", href: pageUrl(`tables/${this.table.id}`) }, "Show all rows");
      fill(this.body, failure(error, () => this.load()), this.query.size > 0 && reset);
      fill(this.footer);
    } finally {
      this.body.removeAttribute("aria-busy");
    }
  }

  #show() {
    this.grid = null;
    if (this.rows.length === 0) {
      fill(this.body, this.#emptyState());
    } else {
      this.grid = new Grid(this.table, shownFields(this.table, this.query), countedRelations(this.table), this.rows, {
        order: this.query.get("order_by") ?? "",
        sort: (order, field) => this.#sort(order, field),
        select: (rows) => this.#select(rows),
        selected: new Set(this.selected.map((row) => keyOf(this.table, row))),
      });
      fill(this.body, this.grid);
    }
    this.#select(this.grid?.selected ?? []);
    this.#showFooter();
    const target = focused === null ? null : this.querySelector(focused);
    focused = null;
    if (target instanceof HTMLElement) target.focus({ preventScroll: true });
  }

  #emptyState() {
    const isFiltered = [...this.query.keys()].some((name) => !["order_by", "fields", "limit"].includes(name));
    return el(
      "div",
      { class: "empty", tabindex: "-1" },
      el("p", {}, isFiltered ? "No matching rows." : `There are no ${titleOf(this.table).toLowerCase()} yet.`),
      isFiltered && el("a", { class: "button", href: pageUrl(`tables/${this.table.id}`) }, "Show all rows"),
    );
  }

  #showFooter() {
    const { answer, table, query } = this;
    if (answer === null) return;
    const go = (/** @type {string | null} */ linked) => {
      const next = new URLSearchParams(linked ?? "");
      const changed = firstPage(query);
      for (const name of ["cursor", "offset"]) {
        const value = next.get(name);
        if (value !== null) changed.set(name, value);
      }
      show(changed, GRID);
    };
    const previous = linkedQuery(answer.headers, "prev");
    const next = linkedQuery(answer.headers, "next");
    const sizeId = uniqueId("size");
    const sizes = [...new Set([25, PAGE_SIZE, 100, 250, Number(query.get("limit") ?? PAGE_SIZE)])].filter((size) => size <= table.max_limit);
    const size = el(
      "select",
      {
        id: sizeId,
        onchange: () => {
          const changed = firstPage(query);
          changed.set("limit", size.value);
          show(changed, ".size select");
        },
      },
      sizes.sort((a, b) => a - b).map((each) => el("option", { value: each }, each)),
    );
    size.value = query.get("limit") ?? String(PAGE_SIZE);
    const total = totalOf(answer.headers);
    fill(this.summary, `${this.rows.length} ${this.rows.length === 1 ? "row" : "rows"}`, total !== null && ` of ${total.toLocaleString("en")}`, `. ${timing(answer)}`);
    fill(
      this.footer,
      el(
        "div",
        { class: "pages" },
        button("\u2190 Previous", () => go(previous), { disabled: previous === null }),
        button("Next \u2192", () => go(next), { disabled: next === null }),
      ),
      el("label", { for: sizeId, class: "size" }, "Rows per page ", size),
      this.summary,
      total === null && button("Count", () => this.#count(), { class: "button quiet", title: "Count the matching rows (an estimate on PostgreSQL)" }),
    );
  }

  async #count() {
    const query = requestQuery(this.table, firstPage(this.query));
    query.set("count", "estimated");
    query.set("limit", "1");
    query.delete("include");
    try {
      const answer = await send("GET", `data/${this.table.id}?${query}`);
      const total = totalOf(answer.headers);
      if (total !== null) fill(this.summary, `${this.table.counts_exactly ? "" : "About "}${total.toLocaleString("en")} rows match. ${timing(answer)}`);
    } catch (error) {
      fill(this.summary, error instanceof Error ? error.message : "The rows could not be counted.");
    }
  }

  /**
   * @param {string} order
   * @param {string} field The field whose head was clicked.
   */
  #sort(order, field) {
    const changed = firstPage(this.query);
    if (order === "") changed.delete("order_by");
    else changed.set("order_by", order);
    show(changed, `[data-sort="${CSS.escape(field)}"]`);
  }

  /** @param {Row[]} rows */
  #select(rows) {
    const { table } = this;
    this.selected = rows;
    this.selection.hidden = rows.length === 0;
    const done = () => {
      // The old grid is shown until the rows are read again: what was done must not be done twice.
      this.grid?.clear();
      this.#select([]);
      this.load();
    };
    fill(
      this.selection,
      el("strong", {}, `${rows.length} selected`),
      can(table, "update_many") && button("Change\u2026", () => openBulkEdit(table, rows, done)),
      can(table, "delete_many") && button("Delete\u2026", () => removeRows(table, rows, done), { class: "button danger" }),
      table.actions.map((action) => button(action.title, () => runAction(table, action, rows, done))),
      button("Export selected as CSV", () => this.#save(rows), { class: "button quiet" }),
    );
  }

  /** @param {Row[]} [rows] */
  #save(rows = this.rows) {
    const fields = shownFields(this.table, this.query);
    const text = csvOf(
      fields.map((field) => field.name),
      rows.map((row) => fields.map((field) => row[field.name])),
    );
    saveFile(`${this.table.id}.csv`, text, "text/csv;charset=utf-8");
  }

  #openColumns() {
    const { table, query } = this;
    const chosen = new Set(shownFields(table, query).map((field) => field.name));
    const boxes = table.fields.map((field) => {
      const id = uniqueId("column");
      const box = el("input", { id, type: "checkbox", value: field.name, checked: chosen.has(field.name) });
      return { box, element: el("label", { for: id, class: "check" }, box, fieldTitle(table, field)) };
    });
    const list = el("div", { class: "checks columns" }, boxes.map(({ element }) => element));
    const find = el("input", {
      type: "search",
      placeholder: "Find a column",
      "aria-label": "Find a column",
      oninput: debounced(() => {
        for (const { box, element } of boxes) element.hidden = !box.value.includes(find.value.trim().toLowerCase());
      }, 50),
    });
    const apply = (/** @type {Event} */ event) => {
      event.preventDefault();
      const names = boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
      const changed = new URLSearchParams(query);
      if (names.length === 0) changed.delete("fields");
      // Chosen columns keep their order, and new ones follow in that of the table.
      else changed.set("fields", [...new Set([...[...chosen].filter((name) => names.includes(name)), ...names])].join(","));
      dialog.close();
      show(changed, '[data-tool="columns"]');
    };
    const form = el(
      "form",
      { onsubmit: apply },
      table.fields.length > 12 && find,
      list,
      el(
        "footer",
        {},
        button("Reset to default", () => {
          const changed = new URLSearchParams(query);
          changed.delete("fields");
          dialog.close();
          show(changed, '[data-tool="columns"]');
        }),
        el("button", { class: "button primary" }, "Apply"),
      ),
    );
    const dialog = openDialog("Columns", [form]);
  }
}

customElements.define("studio-table-page", TablePage);
