/**
 * Chooses the row that several fields of a form refer to together.
 */
import { compositeReferences, fieldOf, words } from "./catalog.js";
import { el, uniqueId } from "./dom.js";
import { InvalidInput } from "./editor.js";
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
  /** @type {RowChooser[]} */
  const choosers = [];
  for (const { relation, target } of references) {
    const here = new Set(relation.pairs.map(([name]) => name));
    const fields = parts.filter((part) => here.has(part.input.field?.name ?? ""));
    if (fields.length > 0) choosers.push(new RowChooser(relation, target, fields, choosers));
  }
  return choosers;
}

class RowChooser {
  /**
   * @param {Relation} relation
   * @param {Table} target
   * @param {Part[]} fields The fields of the reference that the form has.
   * @param {RowChooser[]} all The choosers of the form, which may share fields.
   */
  constructor(relation, target, fields, all) {
    this.all = all;
    this.keys = target.key;
    this.target = target;
    /** The names here, in the order of the key there. */
    this.names = target.key.map((key) => relation.pairs.find(([, there]) => there === key)?.[0] ?? "");
    this.fields = new Map(fields.map((part) => [part.input.field?.name ?? "", part]));
    /**
     * The row, for the fields that the form lacks: a scope may set them.
     *
     * @type {Row}
     */
    this.row = {};
    this.picker = createPicker(target, fields.some((part) => part.input.nullable), () => this.#known());
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
    this.picker.control.addEventListener("change", () => this.#choose());
    for (const part of fields) part.element.addEventListener("change", () => this.#show());
    fields[0]?.element.before(this.element);
  }

  /** @param {Row} values */
  write(values) {
    this.row = values;
    this.#show();
  }

  /** The filters that the fields which the form lacks set: only such rows can be chosen. */
  #known() {
    return this.names.flatMap((name, index) => {
      const filter = fieldOf(this.target, this.keys[index] ?? "")?.filters.eq;
      const value = this.row[name];
      return this.fields.has(name) || value === undefined || value === null || !filter ? [] : [[filter, String(value)]];
    });
  }

  #choose() {
    try {
      const key = this.picker.read();
      if (key === undefined) this.#show();
      else this.#enter(key);
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error;
      this.#show(); // the text is that of no row, and the fields below say which it is
    }
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
    const changed = this.names.filter((name, index) => {
      const part = this.fields.get(name);
      const value = key === null ? null : key[index];
      const stays = key === null && (!part?.input.nullable || this.all.some((other) => other !== this && other.fields.has(name)));
      if (!part || stays || part.isSame(value)) return false;
      part.enter(value);
      return true;
    });
    for (const other of this.all) if (other !== this) other.#leave(changed);
    if (key === null) this.#show(); // fields that are shared or needed stay
  }

  /**
   * Another reference has changed fields that this one shares: its row is not the same any more.
   *
   * @param {string[]} changed
   */
  #leave(changed) {
    if (!changed.some((name) => this.fields.has(name))) return;
    for (const [name, part] of this.fields) {
      const isShared = this.all.some((other) => other !== this && other.fields.has(name));
      if (!isShared && part.input.nullable) part.enter(null);
    }
    this.#show();
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
