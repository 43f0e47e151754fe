/**
 * Chooses the row that several fields of a form refer to together.
 */
import { compositeReferences, words } from "./catalog.js";
import { el, uniqueId } from "./dom.js";
import { createPicker } from "./picker.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./types.js").Relation} Relation */
/** @typedef {import("./form.js").Part} Part */

/**
 * Add a chooser above the fields of each reference of several columns.
 *
 * @param {Table | null} table The table that the form writes.
 * @param {Part[]} parts The fields of the form.
 */
export function rowChoosers(table, parts) {
  const references = table === null ? [] : compositeReferences(table);
  return references.flatMap(({ relation, target }) => {
    const here = new Set(relation.pairs.map(([name]) => name));
    const fields = parts.filter((part) => here.has(part.input.field?.name ?? ""));
    return fields.length > 0 ? [new RowChooser(relation, target, fields)] : [];
  });
}

class RowChooser {
  /**
   * @param {Relation} relation
   * @param {Table} target
   * @param {Part[]} fields The fields of the reference that the form has.
   */
  constructor(relation, target, fields) {
    /** The names here, in the order of the key there. */
    this.names = target.key.map((key) => relation.pairs.find(([, there]) => there === key)?.[0] ?? "");
    this.fields = new Map(fields.map((part) => [part.input.field?.name ?? "", part]));
    /**
     * The row, for the fields that the form lacks: a scope may set them.
     *
     * @type {Row}
     */
    this.row = {};
    this.picker = createPicker(target, fields.some((part) => part.input.nullable));
    const id = uniqueId("field");
    this.picker.control.id = id;
    this.picker.control.setAttribute("aria-describedby", `${id}-hint`);
    this.element = el(
      "div",
      { class: "field", "data-relation": relation.name },
      el("span", { class: "field-title" }, el("label", { for: id }, words(relation.name))),
      this.picker.element,
      el("p", { class: "hint", id: `${id}-hint` }, `Sets ${fields.map((part) => part.input.title).join(" and ")}`),
    );
    this.picker.control.addEventListener("change", () => this.#enter(this.picker.read()));
    for (const part of fields) part.element.addEventListener("change", () => this.#show());
    fields[0]?.element.before(this.element);
  }

  /** @param {Row} values */
  write(values) {
    this.row = values;
    this.#show();
  }

  #show() {
    const key = this.names.map((name) => {
      const part = this.fields.get(name);
      return part ? valueOf(part) : this.row[name];
    });
    const isKnown = key.every((value) => value !== null && value !== undefined);
    this.picker.write(isKnown ? key : null);
  }

  /** @param {any[] | null} key Null for no row. */
  #enter(key) {
    this.names.forEach((name, index) => {
      const part = this.fields.get(name);
      if (key !== null) part?.enter(key[index]);
      else if (part?.input.nullable) part.enter(null);
    });
  }
}

/**
 * The value of a field as it is now; undefined if it is not valid.
 *
 * @param {Part} part
 */
function valueOf(part) {
  try {
    return part.editor.read();
  } catch {
    return undefined;
  }
}
