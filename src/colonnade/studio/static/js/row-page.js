/**
 * The page of a row: its form, and the rows that are related to it.
 */
import { runAction } from "./actions.js";
import { RequestError, send } from "./api.js";
import { can, fieldTitle, includedReferences, keyOf, labelOf, nounOf, pageUrl, referenceOf, rowUrl, tableUrl, titleOf } from "./catalog.js";
import { resolveConflict } from "./conflict.js";
import { ask, failure } from "./dialogs.js";
import { button, el, fill } from "./dom.js";
import { Form, busy, formFooter } from "./form.js";
import { NestedRows, nestedRelations } from "./nested.js";
import { notify } from "./notices.js";
import { relationSections } from "./relations.js";
import { openRequest } from "./request-panel.js";
import { addGuard, navigate } from "./router.js";
import { readRow, updateRow } from "./rows.js";
import { inputsOf } from "./schemas.js";
import { withSignIn } from "./sign-in.js";
import { cell } from "./values.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./rows.js").Version} Version */

/**
 * What was typed into the form of a row that has gone, for the form of a new one.
 *
 * @type {{table: Table, values: Row} | null}
 */
let draft = null;

/**
 * @param {Table} table
 * @param {string | null} key The key as in the URL; null for a new row.
 * @param {URLSearchParams} query Values of a new row, or `copy` with the key of another one.
 */
export function rowPage(table, key, query) {
  return key === null ? new NewRow(table, query).element : new ExistingRow(table, key).element;
}

/**
 * @param {Table} table
 * @param {...(Node | null | false)} content
 */
function pageHeader(table, ...content) {
  const back = can(table, "list") && el("a", { href: tableUrl(table) }, titleOf(table));
  return el("header", { class: "page-header" }, el("p", { class: "breadcrumb" }, back), content);
}

/**
 * Ask before a page with unsaved input is left.
 *
 * @param {HTMLElement} element
 * @param {() => boolean} isChanged
 */
function guardInput(element, isChanged) {
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
    return ask("Leave without saving?", "Leave", { detail: "What you typed is lost then.", danger: true, cancel: "Stay" });
  });
  return { update, remove };
}

/** Save with Ctrl+S and Ctrl+Enter.
 *
 * @param {HTMLFormElement} form
 */
function saveByKey(form) {
  form.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && (event.key === "s" || event.key === "Enter")) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
}

class NewRow {
  /**
   * @param {Table} table
   * @param {URLSearchParams} query
   */
  constructor(table, query) {
    this.table = table;
    this.inputs = inputsOf(table.create ?? {}, table).filter((input) => !nestedRelations(table).some((relation) => relation.name === input.name));
    this.form = new Form(this.inputs, table, { onchange: () => this.guard.update() });
    this.nested = nestedRelations(table).map((relation) => new NestedRows(relation, () => this.guard.update()));
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
      this.form.element,
      this.nested.map((rows) => rows.element),
      this.footer.element,
    );
    saveByKey(form);
    this.element = el("section", { class: "row-page" }, pageHeader(table, el("h1", {}, `New ${nounOf(table)}`)), form);
    this.guard = guardInput(this.element, () => this.isTyped);
    this.form.write(Object.fromEntries(this.inputs.map((input) => [input.name, input.initial])));
    this.#prefill(query);
  }

  get isTyped() {
    return this.form.isChanged || this.nested.some((rows) => rows.isChanged);
  }

  /** @param {URLSearchParams} query */
  async #prefill(query) {
    const copied = query.get("copy");
    if (draft !== null && draft.table === this.table) {
      this.#enter(draft.values);
      draft = null;
    } else if (copied !== null) {
      const { row } = await withSignIn(() => readRow(this.table, copied));
      const isCopied = (/** @type {import("./schemas.js").Input} */ input) => input.field !== null && !input.field.unique;
      this.#enter(Object.fromEntries(this.inputs.filter(isCopied).map((input) => [input.name, row[input.field?.name ?? ""]])));
    } else {
      for (const part of this.form.parts) {
        const text = query.get(part.input.name);
        if (text !== null) part.editor.write(part.input.kind === "integer" ? Number(text) : text);
      }
    }
  }

  /** @param {Row} values */
  #enter(values) {
    for (const part of this.form.parts) {
      if (values[part.input.name] !== undefined) part.editor.write(values[part.input.name]);
    }
    this.guard.update();
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
      this.guard.remove();
      delete this.element.dataset.unsaved;
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

class ExistingRow {
  /**
   * @param {Table} table
   * @param {string} key
   */
  constructor(table, key) {
    this.table = table;
    this.key = key;
    this.element = el("section", { class: "row-page" }, el("p", { class: "waiting", role: "status" }, "Loading\u2026"));
    /** @type {Version} */
    this.version = { row: {}, etag: "", answer: null };
    /** @type {Form | null} */
    this.form = null;
    this.guard = guardInput(this.element, () => this.form?.isChanged ?? false);
    this.load();
  }

  get include() {
    return includedReferences(this.table).map((relation) => relation.name);
  }

  async load() {
    try {
      this.version = await withSignIn(() => readRow(this.table, this.key, this.include));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const isGone = error instanceof RequestError && error.status === 404;
      const message = isGone ? new Error(`There is no such ${nounOf(this.table)}, or you may not see it.`) : error;
      fill(this.element, pageHeader(this.table, el("h1", {}, titleOf(this.table))), failure(message, () => this.load()));
      return;
    }
    this.show();
  }

  show() {
    const { table, key } = this;
    const { row } = this.version;
    fill(this.element, this.#header(row), this.#body(row), relationSections(table, key, row));
    document.title = `${labelOf(table, row)} \u00b7 ${titleOf(table)}`;
    const target = document.getElementById(location.hash.slice(1));
    if (location.hash !== "" && target) target.scrollIntoView();
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
        can(table, "create") && el("a", { class: "button", href: pageUrl(`tables/${table.id}/new?copy=${key}`) }, "Duplicate"),
        button("Request", () => openRequest(table, `/${key}`, this.version.answer)),
        can(table, "delete") && button("Delete\u2026", () => this.#remove(row), { class: "button danger" }),
      ),
    );
  }

  /** @param {Row} row */
  #body(row) {
    const { table } = this;
    const inputs = can(table, "update") ? inputsOf(table.update ?? {}, table).filter((input) => !table.relations.some((relation) => relation.name === input.name)) : [];
    const editable = new Set(inputs.map((input) => input.field?.name));
    const others = table.fields.filter((field) => !editable.has(field.name));
    const readonly = el(
      "dl",
      { class: "readonly" },
      others.map((field) => [el("dt", {}, fieldTitle(table, field)), el("dd", {}, this.#shown(field, row))]).flat(),
    );
    if (inputs.length === 0) return readonly;
    const footer = formFooter("Save");
    const form = new Form(inputs, table, {
      onchange: () => {
        this.guard.update();
        footer.submit.disabled = !form.isChanged;
      },
    });
    this.form = form;
    form.write(Object.fromEntries(inputs.map((input) => [input.name, input.field ? row[input.field.name] : undefined])));
    footer.submit.disabled = true;
    const element = el(
      "form",
      {
        class: "row-form",
        novalidate: true,
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          busy(footer.submit, () => this.#save());
        },
      },
      form.element,
      footer.element,
    );
    saveByKey(element);
    return el("div", { class: "row-columns" }, element, readonly);
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
    return el("a", { href: rowUrl(reference.target, encodeURIComponent(String(value))) }, text);
  }

  async #save() {
    const { form, table, key } = this;
    const changes = form?.changes();
    if (!form || !changes) return;
    if (Object.keys(changes).length === 0) return;
    const before = this.version;
    try {
      const saved = await withSignIn(() => updateRow(table, key, changes, before.etag));
      this.#saved(before, saved, changes);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (error.status === 412) await this.#conflict(changes);
      else if (error.status === 404) this.#gone(form);
      else form.fail(error.message, error.errors);
    }
  }

  /**
   * @param {Version} before
   * @param {Version} saved
   * @param {Row} changes
   */
  #saved(before, saved, changes) {
    const { table } = this;
    delete this.element.dataset.unsaved;
    this.form = null;
    const old = this.#bodyValues(before.row, Object.keys(changes));
    const undo = () => this.#undo(old, saved.etag);
    notify(`Saved ${labelOf(table, saved.row)}.`, Object.keys(old).length > 0 ? { action: "Undo", onAction: undo } : {});
    const newKey = keyOf(table, saved.row);
    if (newKey !== this.key) navigate(rowUrl(table, newKey), { force: true, replace: true });
    else this.load();
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
      notify("The change was taken back.");
      if (this.element.isConnected) this.load();
    } catch (error) {
      const isChanged = error instanceof RequestError && error.status === 412;
      const message = isChanged ? "It was changed again in the meantime, so it was not taken back." : String(error instanceof Error ? error.message : error);
      notify(message, { kind: "error" });
    }
  }

  /** @param {Row} changes */
  async #conflict(changes) {
    const current = await withSignIn(() => readRow(this.table, this.key, this.include));
    const chosen = await resolveConflict(this.table, changes, this.version.row, current.row);
    if (chosen === null) return; // the form stays as it is
    this.version = current;
    if (Object.keys(chosen).length === 0) {
      this.form = null;
      delete this.element.dataset.unsaved;
      this.show();
      return;
    }
    try {
      const saved = await withSignIn(() => updateRow(this.table, this.key, chosen, current.etag));
      this.#saved(current, saved, chosen);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (error.status === 412) await this.#conflict(changes);
      else this.form?.fail(error.message, error.errors);
    }
  }

  /** @param {Form} form */
  #gone(form) {
    const { table } = this;
    form.fail(`Someone deleted this ${nounOf(table)}. What you typed is still here.`, []);
    if (!can(table, "create")) return;
    form.alert.append(
      button("Create it again", () => {
        const typed = Object.fromEntries(form.parts.map((part) => [part.input.name, part.editor.read()]));
        const values = { ...this.#bodyValues(this.version.row, table.fields.map((field) => field.body_name)), ...typed };
        draft = { table, values };
        navigate(pageUrl(`tables/${table.id}/new`), { force: true });
      }),
    );
  }

  /** @param {Row} row */
  async #remove(row) {
    const { table, key } = this;
    const question = `Delete ${labelOf(table, row)}?`;
    if (!(await ask(question, "Delete", { detail: "This cannot be taken back.", danger: true }))) return;
    try {
      await withSignIn(() => send("DELETE", `data/${table.id}/${key}`));
    } catch (error) {
      notify(error instanceof Error ? error.message : "Nothing was deleted.", { kind: "error" });
      return;
    }
    notify(`Deleted ${labelOf(table, row)}.`);
    this.form = null;
    navigate(tableUrl(table), { force: true });
  }
}

