/**
 * The rows of a table as a grid.
 */
import { can, fieldOf, fieldTitle, hasKey, keyOf, keySegment, labelOf, referenceOf, rowUrl, tableNamed, tableUrl, words } from "./catalog.js";
import { button, el, set } from "./dom.js";
import { cell, isNumeric } from "./values.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Field} Field */
/** @typedef {import("./types.js").Relation} Relation */
/** @typedef {import("./types.js").Row} Row */

export class Grid extends HTMLElement {
  /**
   * @param {Table} table
   * @param {Field[]} fields
   * @param {Relation[]} counted The relations whose numbers of rows are shown.
   * @param {Row[]} rows
   * @param {object} options
   * @param {string} options.order The order of the rows, as `order_by`.
   * @param {((order: string, field: string) => void) | null} options.sort
   * @param {((rows: Row[]) => void) | null} options.select
   * @param {Set<string>} [options.selected] The keys of the rows that are selected at first.
   */
  constructor(table, fields, counted, rows, { order, sort, select, selected = new Set() }) {
    super();
    this.table = table;
    this.rows = rows;
    this.onSelect = select;
    this.selectedKeys = selected;
    /** @type {HTMLInputElement[]} */
    this.boxes = [];
    const head = el(
      "tr",
      {},
      select !== null && el("th", { class: "select", scope: "col" }, this.#allBox()),
      fields.map((field) => headCell(table, field, order, sort)),
      counted.map((relation) => el("th", { scope: "col", class: "number" }, words(relation.name))),
    );
    const body = el("tbody", { onkeydown: moveFocus }, rows.map((row) => this.#row(row, fields, counted)));
    // A scrolling area must be reachable by keyboard.
    set(this, { class: "grid-scroll", tabindex: "0", role: "region", "aria-label": "Rows" });
    this.append(el("table", { class: "grid" }, el("thead", {}, head), body));
  }

  #allBox() {
    const all = el("input", {
      type: "checkbox",
      "aria-label": "Select all rows on this page",
      onchange: () => {
        for (const box of this.boxes) box.checked = all.checked;
        this.onSelect?.(this.selected);
      },
    });
    return all;
  }

  /** Select no row. */
  clear() {
    for (const box of this.boxes) box.checked = false;
  }

  /** The rows that are selected. */
  get selected() {
    return this.rows.filter((_, index) => this.boxes[index]?.checked);
  }

  /**
   * @param {Row} row
   * @param {Field[]} fields
   * @param {Relation[]} counted
   */
  #row(row, fields, counted) {
    const { table } = this;
    const canOpen = hasKey(table, row) && can(table, "read");
    const box = el("input", {
      type: "checkbox",
      "aria-label": `Select ${labelOf(table, row)}`,
      disabled: !hasKey(table, row),
      checked: this.selectedKeys.has(keyOf(table, row)),
      onchange: () => this.onSelect?.(this.selected),
    });
    this.boxes.push(box);
    return el(
      "tr",
      {},
      this.onSelect !== null && el("td", { class: "select" }, box),
      fields.map((field, index) => {
        const content = cellOf(table, field, row);
        const isLink = index === 0 && canOpen;
        return el(
          "td",
          { class: isNumeric(field) ? "number" : null },
          isLink ? el("a", { href: rowUrl(table, keyOf(table, row)), class: "open" }, cell(row[field.name], field)) : content,
        );
      }),
      counted.map((relation) => el("td", { class: "number" }, countCell(table, relation, row))),
    );
  }
}

customElements.define("studio-grid", Grid);

/**
 * @param {Table} table
 * @param {Field} field
 * @param {string} order
 * @param {((order: string, field: string) => void) | null} sort
 */
function headCell(table, field, order, sort) {
  const className = isNumeric(field) ? "number" : null;
  const title = fieldTitle(table, field);
  if (sort === null || !field.sortable) return el("th", { scope: "col", class: className }, title);
  const first = order.split(",")[0];
  const isUp = first === field.name;
  const isDown = first === `-${field.name}`;
  const next = isUp ? `-${field.name}` : isDown ? "" : field.name;
  const direction = isUp ? "ascending" : isDown ? "descending" : "none";
  const mark = isUp ? "\u2191" : isDown ? "\u2193" : "";
  return el(
    "th",
    { scope: "col", class: className, "aria-sort": direction },
    button(title, () => sort(next, field.name), { class: "sort", "data-mark": mark, "data-sort": field.name }),
  );
}

/**
 * @param {Table} table
 * @param {Field} field
 * @param {Row} row
 */
function cellOf(table, field, row) {
  const value = row[field.name];
  const reference = value === null || value === undefined ? null : referenceOf(table, field);
  if (reference === null) return cell(value, field);
  const related = reference.relation ? row[reference.relation.name] : null;
  const text = related ? labelOf(reference.target, related) : cell(value, field);
  return el("a", { href: rowUrl(reference.target, keySegment([value])), class: "reference", title: String(value) }, text);
}

/**
 * The number of rows of a relation, as a link to them.
 *
 * @param {Table} table
 * @param {Relation} relation
 * @param {Row} row
 */
function countCell(table, relation, row) {
  const count = row[relation.count ?? ""] ?? 0;
  const [pair] = relation.pairs;
  const target = tableNamed(relation.table);
  if (relation.kind === "many" && relation.pairs.length === 1 && pair && target) {
    const filter = fieldOf(target, pair[1])?.filters.eq;
    if (filter && count > 0) {
      const query = new URLSearchParams({ [filter]: String(row[pair[0]]) });
      return el("a", { href: tableUrl(target, query.toString()) }, count.toLocaleString("en"));
    }
  }
  return hasKey(table, row)
    ? el("a", { href: `${rowUrl(table, keyOf(table, row))}#relation-${relation.name}` }, count.toLocaleString("en"))
    : String(count);
}

/**
 * Move between rows with the arrow keys.
 *
 * @param {KeyboardEvent} event
 */
function moveFocus(event) {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const focused = event.target instanceof HTMLElement ? event.target : null;
  const row = focused?.closest("tr");
  const next = event.key === "ArrowDown" ? row?.nextElementSibling : row?.previousElementSibling;
  const index = focused ? [...(row?.querySelectorAll("a, input") ?? [])].indexOf(focused) : 0;
  const target = next?.querySelectorAll("a, input")[Math.max(index, 0)] ?? next?.querySelector("a");
  if (target instanceof HTMLElement) {
    event.preventDefault();
    target.focus();
  }
}
