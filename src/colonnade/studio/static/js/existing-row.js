/**
 * The page of a row: its form, and the rows that are related to it.
 */
import { runAction } from "./actions.js";
import { RequestError, send } from "./api.js";
import { can, fieldTitle, includedReferences, keyOf, keySegment, labelOf, nounOf, pageUrl, referenceOf, rowUrl, tableUrl, titleOf } from "./catalog.js";
import { resolveConflict } from "./conflict.js";
import { ask, failure } from "./dialogs.js";
import { button, el, fill } from "./dom.js";
import { Form, busy, formFooter } from "./form.js";
import { openDraft } from "./new-row.js";
import { notify } from "./notices.js";
import { relationSections } from "./relations.js";
import { openRequest } from "./request-panel.js";
import { navigate } from "./router.js";
import { FormPage, pageHeader, saveByKey } from "./row-forms.js";
import { readRow, updateRow } from "./rows.js";
import { inputsOf } from "./schemas.js";
import { withSignIn } from "./sign-in.js";
import { cell } from "./values.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./rows.js").Version} Version */

/**
 * Say of a field whose value the API does not return, such as a secret, what an empty input means.
 *
 * @param {import("./schemas.js").Input} input
 */
function withHiddenHint(input) {
  const hint = "The API does not return this value. Leave it empty to keep it";
  return input.field === null ? { ...input, description: [input.description, hint].filter(Boolean).join(". ") } : input;
}

export class ExistingRow extends FormPage {
  /**
   * @param {Table} table
   * @param {string} key
   */
  constructor(table, key) {
    super();
    this.table = table;
    this.key = key;
    this.append(el("p", { class: "waiting", role: "status" }, "Loading\u2026"));
    /** @type {Version} */
    this.version = { row: {}, etag: "", answer: null };
    const { update } = table;
    const isRelation = (/** @type {import("./schemas.js").Input} */ input) => table.relations.some((relation) => relation.name === input.name);
    const inputs = update && can(table, "update") ? inputsOf(update, table) : [];
    this.inputs = inputs.filter((input) => !isRelation(input)).map(withHiddenHint);
    this.footer = formFooter("Save");
    this.form = new Form(this.inputs, table, { onchange: () => this.#changed() });
    this.formElement = el(
      "form",
      {
        class: "row-form",
        novalidate: true,
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          this.#submit();
        },
      },
      this.form,
      this.footer.element,
    );
    saveByKey(this.formElement);
    // The form stays where it is when the row is read again: moved, it would lose the focus, and
    // what is typed meanwhile.
    this.header = el("div", {});
    this.readonly = el("div", {});
    this.relations = el("div", {});
    this.load();
  }

  get isTyped() {
    return this.form.isChanged;
  }

  #changed() {
    this.markTyped();
    this.footer.submit.disabled = !this.form.isChanged;
  }

  get include() {
    return includedReferences(this.table).map((relation) => relation.name);
  }

  /** Read the row, and show it. What was typed and not saved stays. */
  async load() {
    try {
      this.version = await withSignIn(() => readRow(this.table, this.key, this.include));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (this.form.isChanged) {
        this.#failed(error);
        return;
      }
      const isGone = error instanceof RequestError && error.status === 404;
      const message = isGone ? new Error(`This ${nounOf(this.table)} does not exist, or you do not have access to it.`) : error;
      fill(this, pageHeader(this.table, el("h1", {}, titleOf(this.table))), failure(message, () => this.load()));
      return;
    }
    this.show();
  }

  /** @param {Row} [sent] What was typed, if it shall not stay. */
  show(sent) {
    const { table, key } = this;
    const { row } = this.version;
    this.form.rebase(this.#formValues(row), sent);
    this.#changed();
    fill(this.header, this.#header(row));
    fill(this.readonly, this.#readonly(row));
    fill(this.relations, relationSections(table, key, row));
    if (!this.header.isConnected) {
      const hasForm = this.inputs.length > 0;
      const body = hasForm ? el("div", { class: "row-columns" }, this.formElement, this.readonly) : this.readonly;
      fill(this, this.header, body, this.relations);
    }
    document.title = `${labelOf(table, row)} \u00b7 ${titleOf(table)}`;
    const target = document.getElementById(location.hash.slice(1));
    if (location.hash !== "" && target) target.scrollIntoView();
  }

  /**
   * The values of a row for the form; those that responses lack are unknown.
   *
   * @param {Row} row
   */
  #formValues(row) {
    const values = this.inputs.map((input) => [input.name, input.field ? row[input.field.name] : undefined]);
    return { ...row, ...Object.fromEntries(values) };
  }

  /** @param {Row} row */
  #header(row) {
    const { table, key } = this;
    const reload = () => this.load();
    return pageHeader(
      table,
      el("h1", {}, labelOf(table, row)),
      el(
        "div",
        { class: "toolbar", role: "toolbar", "aria-label": nounOf(table) },
        table.actions.map((action) => button(action.title, () => runAction(table, action, [row], reload))),
        can(table, "create") && el("a", { class: "button", href: pageUrl(`tables/${table.id}/copy/${key}`) }, "Duplicate"),
        button("Request", () => openRequest(table, `/${key}`, this.version.answer)),
        can(table, "delete") && button("Delete\u2026", () => this.#remove(row), { class: "button danger" }),
      ),
    );
  }

  /** @param {Row} row */
  #readonly(row) {
    const { table } = this;
    const editable = new Set(this.inputs.map((input) => input.field?.name));
    const others = table.fields.filter((field) => !editable.has(field.name));
    return el(
      "dl",
      { class: "readonly" },
      others.flatMap((field) => [el("dt", {}, fieldTitle(table, field)), el("dd", {}, this.#shown(field, row))]),
    );
  }

  /**
   * @param {import("./types.js").Field} field
   * @param {Row} row
   */
  #shown(field, row) {
    const value = row[field.name];
    const reference = value === null || value === undefined ? null : referenceOf(this.table, field);
    if (reference === null) return cell(value, field);
    const related = reference.relation ? row[reference.relation.name] : null;
    const text = related ? labelOf(reference.target, related) : String(value);
    return el("a", { href: rowUrl(reference.target, keySegment([value])) }, text);
  }

  async #submit() {
    await busy(this.footer.submit, () => this.#save());
    this.footer.submit.disabled = !this.form.isChanged;
  }

  async #save() {
    const changes = this.form.changes();
    if (!changes || Object.keys(changes).length === 0) return;
    await this.#send(changes, this.version, changes);
  }

  /**
   * Save changes.
   *
   * @param {Row} changes
   * @param {Version} base The version that they change.
   * @param {Row} typed What the user wants: more than the changes after a conflict.
   */
  async #send(changes, base, typed) {
    const { table, key } = this;
    try {
      const saved = await withSignIn(() => updateRow(table, key, changes, base.etag, base.row));
      await this.#saved(base, saved, changes, typed);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (error instanceof RequestError && error.status === 412) await this.#conflict(typed);
      else this.#failed(error);
    }
  }

  /** @param {Error} error */
  #failed(error) {
    if (error instanceof RequestError && error.status === 404) this.#gone();
    else this.form.fail(error.message, error instanceof RequestError ? error.errors : []);
  }

  /**
   * @param {Version} base
   * @param {Version} saved
   * @param {Row} changes
   * @param {Row} typed
   */
  async #saved(base, saved, changes, typed) {
    const { table } = this;
    this.form.rebase(this.#formValues(saved.row), typed);
    const old = this.#bodyValues(base.row, Object.keys(changes));
    const oldKey = this.key;
    this.key = keyOf(table, saved.row);
    const undo = () => this.#undo(old, saved.etag);
    // What responses lack, such as a secret, cannot be taken back.
    const canUndo = Object.keys(changes).every((name) => old[name] !== undefined);
    notify(`Saved ${labelOf(table, saved.row)}.`, canUndo ? { action: "Undo", onAction: undo } : {});
    if (this.key !== oldKey) navigate(rowUrl(table, this.key), { force: true, replace: true });
    else await this.load();
  }

  /**
   * The values of a row by the names in bodies.
   *
   * @param {Row} row
   * @param {string[]} names
   * @returns {Row}
   */
  #bodyValues(row, names) {
    const fields = this.table.fields.filter((field) => names.includes(field.body_name) && row[field.name] !== undefined);
    return Object.fromEntries(fields.map((field) => [field.body_name, row[field.name]]));
  }

  /**
   * @param {Row} old
   * @param {string} etag
   */
  async #undo(old, etag) {
    try {
      await withSignIn(() => updateRow(this.table, this.key, old, etag));
      notify("The change was undone.");
      if (this.isConnected) this.load();
    } catch (error) {
      const isChanged = error instanceof RequestError && error.status === 412;
      const message = isChanged ? "The row has changed since then, so the change was not undone." : String(error instanceof Error ? error.message : error);
      notify(message, { kind: "error" });
    }
  }

  /**
   * Let the user choose between what was typed and what someone else has saved.
   *
   * @param {Row} typed
   */
  async #conflict(typed) {
    /** @type {Version} */
    let current;
    try {
      current = await withSignIn(() => readRow(this.table, this.key, this.include));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#failed(error);
      return;
    }
    const chosen = await resolveConflict(this.table, typed, this.version.row, current.row);
    if (chosen === null) return; // the form stays as it is
    if (Object.keys(chosen).length > 0) {
      // Until this is saved, the form is that of the version before, so that saving it asks again.
      await this.#send(chosen, current, typed);
    } else {
      this.version = current;
      this.show(typed);
    }
  }

  #gone() {
    const { table, form } = this;
    form.fail(`Someone deleted this ${nounOf(table)}. Your input is still here.`, []);
    if (!can(table, "create")) return;
    form.alert.append(
      button("Create it again", () => {
        const changes = form.changes();
        if (changes === null) return; // the messages are at their fields
        const names = table.fields.map((field) => field.body_name);
        openDraft(table, { ...this.#bodyValues(this.version.row, names), ...changes });
      }),
    );
  }

  /** @param {Row} row */
  async #remove(row) {
    const { table, key } = this;
    const question = `Delete ${labelOf(table, row)}?`;
    if (!(await ask(question, "Delete", { detail: "This cannot be undone.", danger: true }))) return;
    try {
      const headers = { "If-Match": this.version.etag };
      await withSignIn(() => send("DELETE", `data/${table.id}/${key}`, this.version.etag ? { headers } : {}));
    } catch (error) {
      notify(error instanceof Error ? error.message : "Nothing was deleted.", { kind: "error" });
      return;
    }
    notify(`Deleted ${labelOf(table, row)}.`);
    navigate(tableUrl(table), { force: true });
  }
}

customElements.define("studio-row", ExistingRow);
