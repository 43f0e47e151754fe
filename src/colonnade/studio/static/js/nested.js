/**
 * Rows of a relation that are created with a new row, in the same request.
 */
import { nounOf, tableNamed, words } from "./catalog.js";
import { button, el } from "./dom.js";
import { Form, pathOf } from "./form.js";
import { childInputs } from "./schemas.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Relation} Relation */
/** @typedef {import("./types.js").Row} Row */

/**
 * The lists that the body of a new row may contain.
 *
 * @param {Table} table
 * @returns {Relation[]}
 */
export function nestedRelations(table) {
  return table.relations.filter(
    (relation) => relation.nested_create !== null && ["many", "association"].includes(relation.kind),
  );
}

export class NestedRows extends HTMLElement {
  /**
   * @param {Relation} relation
   * @param {() => void} onchange
   */
  constructor(relation, onchange) {
    super();
    this.relation = relation;
    this.changed = onchange;
    /** @type {{form: Form, element: HTMLElement}[]} */
    this.entries = [];
    const table = tableNamed(relation.table);
    this.noun = table ? nounOf(table) : relation.name;
    this.list = el("div", { class: "nested-rows" });
    this.append(
      el(
        "fieldset",
        { class: "nested" },
        el("legend", {}, words(relation.name)),
        this.list,
        button(`Add ${this.noun}`, () => this.#add()),
      ),
    );
  }

  #add() {
    const table = tableNamed(this.relation.table);
    const inputs = childInputs(this.relation, this.relation.nested_create ?? {}, table);
    const form = new Form(inputs, table, { onchange: this.changed });
    form.write(Object.fromEntries(inputs.map((input) => [input.name, input.initial])));
    /** @type {{form: Form, element: HTMLElement}} */
    const entry = {
      form,
      element: el(
        "div",
        { class: "nested-row", role: "group", "aria-label": `${words(this.noun)} ${this.entries.length + 1}` },
        form,
        button("Remove", () => { this.#remove(entry); }, { class: "button quiet" }),
      ),
    };
    this.entries.push(entry);
    this.list.append(entry.element);
    this.changed();
    form.parts[0]?.editor.control.focus();
  }

  /** @param {{form: Form, element: HTMLElement}} entry */
  #remove(entry) {
    this.entries.splice(this.entries.indexOf(entry), 1);
    entry.element.remove();
    this.changed();
  }

  get isChanged() {
    return this.entries.length > 0;
  }

  /** @returns {Row[] | null} Null if a value is not valid. */
  values() {
    const rows = this.entries.map(({ form }) => form.values());
    return rows.includes(null) ? null : /** @type {Row[]} */ (rows);
  }

  /**
   * Show an error at its row.
   *
   * @param {import("./api.js").ProblemEntry} entry
   * @returns {boolean} Whether it is about one of these rows.
   */
  fail(entry) {
    const [name, index, ...rest] = pathOf(entry);
    const form = name === this.relation.name ? this.entries[Number(index)]?.form : undefined;
    form?.fail(entry.message, [{ ...entry, loc: ["body", ...rest] }]);
    return form !== undefined;
  }
}

customElements.define("studio-nested-rows", NestedRows);
