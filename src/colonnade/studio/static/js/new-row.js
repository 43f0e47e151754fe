/**
 * The form of a new row, with the rows of its relations that are created with it.
 */
import { RequestError, send } from "./api.js";
import { can, keyOf, labelOf, nounOf, pageUrl, rowUrl, tableUrl } from "./catalog.js";
import { el } from "./dom.js";
import { exactInteger } from "./number-editor.js";
import { Form, busy, formFooter } from "./form.js";
import { NestedRows, nestedRelations } from "./nested.js";
import { notify } from "./notices.js";
import { navigate } from "./router.js";
import { FormPage, pageHeader, saveByKey } from "./row-forms.js";
import { readRow } from "./rows.js";
import { newRowInputs } from "./schemas.js";
import { withSignIn } from "./sign-in.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Row} Row */

/**
 * What was typed into the form of a row that has gone, for the form of a new one.
 *
 * @type {{table: string, values: Row} | null}
 */
let draft = null;

/**
 * Open the form of a new row with values.
 *
 * @param {Table} table
 * @param {Row} values By the names in the body.
 */
export function openDraft(table, values) {
  draft = { table: table.id, values };
  navigate(pageUrl(`tables/${table.id}/new`), { force: true });
}

export class NewRow extends FormPage {
  /**
   * @param {Table} table
   * @param {URLSearchParams} query Values by the names of fields.
   * @param {string} [copied] The key of a row to copy.
   */
  constructor(table, query, copied) {
    super();
    this.table = table;
    this.inputs = newRowInputs(table.create ?? {}, table).filter((input) => !nestedRelations(table).some((relation) => relation.name === input.name));
    this.form = new Form(this.inputs, table, { onchange: () => this.markTyped() });
    this.nested = nestedRelations(table).map((relation) => new NestedRows(relation, () => this.markTyped()));
    this.footer = formFooter(`Create ${nounOf(table)}`, el("a", { class: "button", href: tableUrl(table) }, "Cancel"));
    const form = el(
      "form",
      {
        class: "row-form",
        novalidate: true,
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          busy(this.footer.submit, () => this.#create());
        },
      },
      this.form,
      this.nested,
      this.footer.element,
    );
    saveByKey(form);
    this.append(pageHeader(table, el("h1", {}, `New ${nounOf(table)}`)), form);
    this.form.write(Object.fromEntries(this.inputs.map((input) => [input.name, input.initial])));
    this.#prefill(query, copied);
  }

  get isTyped() {
    return this.form.isChanged || this.nested.some((rows) => rows.isChanged);
  }

  /**
   * @param {URLSearchParams} query
   * @param {string} [copied]
   */
  #prefill(query, copied) {
    if (draft !== null && draft.table === this.table.id) {
      this.#enter(draft.values);
      draft = null;
    } else if (copied !== undefined) {
      busy(this.footer.submit, () => this.#copy(copied));
    } else {
      for (const part of this.form.parts) {
        const text = query.get(part.input.field?.name ?? part.input.name);
        const isInteger = part.input.kind === "integer" && /^-?\d+$/.test(text ?? "");
        if (text !== null) part.enter(isInteger ? exactInteger(text) : text);
      }
    }
  }

  /**
   * Enter the values of a row, except those that no other row may have.
   *
   * @param {string} key
   */
  async #copy(key) {
    this.form.inert = true; // what is typed now would be lost
    try {
      const { row } = await withSignIn(() => readRow(this.table, key));
      const isCopied = (/** @type {import("./schemas.js").Input} */ input) => input.field !== null && !input.field.unique;
      this.#enter(Object.fromEntries(this.inputs.filter(isCopied).map((input) => [input.name, row[input.field?.name ?? ""]])));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.form.fail(`The row could not be copied: ${error.message}`, []);
    } finally {
      this.form.inert = false;
    }
  }

  /** @param {Row} values */
  #enter(values) {
    for (const part of this.form.parts) {
      if (values[part.input.name] !== undefined) part.enter(values[part.input.name]);
    }
    this.markTyped();
  }

  async #create() {
    const { table } = this;
    const values = this.form.values();
    const nested = this.nested.map((rows) => rows.values());
    if (values === null || nested.includes(null)) return;
    this.nested.forEach(({ relation }, index) => {
      if ((nested[index]?.length ?? 0) > 0) values[relation.name] = nested[index];
    });
    try {
      const answer = await withSignIn(() => send("POST", `data/${table.id}`, { body: values }));
      const row = answer.data && typeof answer.data === "object" ? answer.data : null;
      notify(`Created ${row ? labelOf(table, row) : `the ${nounOf(table)}`}.`);
      navigate(row && can(table, "read") ? rowUrl(table, keyOf(table, row)) : tableUrl(table), { force: true });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      const others = error.errors.filter((entry) => !this.nested.some((rows) => rows.fail(entry)));
      if (others.length > 0 || error.errors.length === 0) this.form.fail(error.message, others);
    }
  }
}

customElements.define("studio-new-row", NewRow);
