/**
 * The rows that are related to a row: lists, links with their fields, and trees.
 */
import { RequestError, linkedQuery, send } from "./api.js";
import { can, fieldOf, hasKey, keyOf, keySegment, labelOf, nounOf, pageUrl, rowUrl, tableNamed, tableUrl, words } from "./catalog.js";
import { ask, closeButton, failure, openDialog, unlessTyped } from "./dialogs.js";
import { button, el, fill, set, uniqueId } from "./dom.js";
import { InvalidInput } from "./editor.js";
import { Form, busy, formFooter } from "./form.js";
import { Grid } from "./grid.js";
import { notify } from "./notices.js";
import { createPicker } from "./picker.js";
import { rowsOf } from "./rows.js";
import { childInputs, inputsOf } from "./schemas.js";
import { withSignIn } from "./sign-in.js";
import { cell } from "./values.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Relation} Relation */
/** @typedef {import("./types.js").Row} Row */

const SHOWN = 20;
const SHOWN_IN_TREE = 200;
const MOST_COLUMNS = 6;

/**
 * A section for each list of related rows.
 *
 * @param {Table} table
 * @param {string} key
 * @param {Row} row
 */
export function relationSections(table, key, row) {
  const listed = table.relations.filter((relation) => relation.listed);
  return listed.map((relation) => new RelationSection(table, key, row, relation));
}

class RelationSection extends HTMLElement {
  /**
   * @param {Table} table
   * @param {string} key
   * @param {Row} row
   * @param {Relation} relation
   */
  constructor(table, key, row, relation) {
    super();
    this.table = table;
    this.key = key;
    this.row = row;
    this.relation = relation;
    this.target = tableNamed(relation.table);
    this.isTree = false;
    this.body = el("div", { class: "grid-area" });
    const id = uniqueId("relation");
    set(this, { class: "relation", id: `relation-${relation.name}`, role: "region", "aria-labelledby": id });
    this.append(
      el("header", {}, el("h2", { id }, words(relation.name)), el("div", { class: "toolbar" }, this.#buttons())),
      this.body,
    );
    this.load();
  }

  get path() {
    return `data/${this.table.id}/${this.key}/${this.relation.name}`;
  }

  #buttons() {
    const { relation, target } = this;
    const noun = target ? nounOf(target) : relation.name;
    const isOwned = relation.kind === "many";
    return [
      relation.tree &&
        button("Whole tree", (event) => {
          this.isTree = !this.isTree;
          if (event.currentTarget instanceof HTMLElement) event.currentTarget.setAttribute("aria-pressed", String(this.isTree));
          this.load();
        }, { "aria-pressed": "false" }),
      relation.linkable && button("Link\u2026", () => this.#openLink(null)),
      relation.creatable && target?.create && button(`Add ${noun}`, () => this.#openCreate(target)),
      !relation.creatable && isOwned && target && can(target, "create") && el("a", { class: "button", href: this.#newUrl(target) }, `Add ${noun}`),
      target && isOwned && can(target, "list") && this.#allUrl(target) && el("a", { class: "button quiet", href: this.#allUrl(target) }, "Show all"),
    ];
  }

  /** @param {Table} target */
  #newUrl(target) {
    const query = new URLSearchParams(this.relation.pairs.map(([here, there]) => [there, String(this.row[here])]));
    return pageUrl(`tables/${target.id}/new?${query}`);
  }

  /** @param {Table} target */
  #allUrl(target) {
    const filters = this.relation.pairs.map(([here, there]) => [fieldOf(target, there)?.filters.eq ?? "", String(this.row[here])]);
    if (filters.some(([name]) => name === "")) return "";
    return tableUrl(target, new URLSearchParams(filters).toString());
  }

  async load() {
    const query = this.isTree ? `depth=all&limit=${SHOWN_IN_TREE}` : `limit=${SHOWN}`;
    try {
      const answer = await withSignIn(() => send("GET", `${this.path}?${query}`));
      const rows = rowsOf(this.table, answer.data);
      if (rows.length === 0) fill(this.body, el("p", { class: "hint" }, "None."));
      else if (this.isTree) fill(this.body, this.#tree(rows));
      else fill(this.body, this.#list(rows), linkedQuery(answer.headers, "next") !== null && el("p", { class: "hint" }, `Showing the first ${rows.length}.`));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      fill(this.body, failure(error, () => this.load()));
    }
  }

  /** @param {Row[]} rows */
  #list(rows) {
    const { target } = this;
    if (target !== null && !this.relation.linkable) {
      const joined = new Set(this.relation.pairs.map(([, there]) => there));
      const fields = target.fields.filter((field) => !joined.has(field.name)).slice(0, MOST_COLUMNS);
      return new Grid(target, fields, [], rows, { order: "", sort: null, select: null });
    }
    return el(
      "ul",
      { class: "links" },
      rows.map((row) => el("li", {}, this.#linkedRow(row), this.relation.linkable && this.#linkButtons(row))),
    );
  }

  /** @param {Row} row */
  #linkedRow(row) {
    const { target, relation } = this;
    if (relation.kind === "association") return this.#linkText(row);
    if (target === null || !hasKey(target, row)) return el("span", {}, cell(row));
    return el("a", { href: rowUrl(target, keyOf(target, row)) }, labelOf(target, row));
  }

  /**
   * The row of a link table: the row that it leads to, and its own fields.
   *
   * @param {Row} row
   */
  #linkText(row) {
    const { relation } = this;
    const end = tableNamed(relation.link_table);
    const segment = keySegment(relation.link_columns.map((name) => row[name]));
    const text = relation.link_columns.map((name) => row[name]).join(", ");
    const own = Object.entries(row).filter(([name]) => relation.link?.properties?.[name] !== undefined);
    return el(
      "span",
      {},
      end === null ? text : el("a", { href: rowUrl(end, segment) }, text),
      own.map(([name, value]) => el("span", { class: "hint" }, ` \u00b7 ${words(name)}: `, cell(value))),
    );
  }

  /** @param {Row} row */
  #targetSegment(row) {
    const { target, relation } = this;
    if (relation.kind === "association") return keySegment(relation.link_columns.map((name) => row[name]));
    return target === null ? "" : keyOf(target, row);
  }

  /** @param {Row} row */
  #linkButtons(row) {
    const { relation } = this;
    const hasFields = relation.kind === "association" && relation.link !== null;
    const segment = this.#targetSegment(row);
    const edit = { class: "button quiet", "aria-label": `Change the link to ${segment}` };
    return el("span", { class: "toolbar" }, hasFields && button("Change\u2026", () => this.#openLink(row), edit), this.#unlinkButton(row));
  }

  /** @param {Row} row */
  #unlinkButton(row) {
    const segment = this.#targetSegment(row);
    const unlink = async () => {
      if (!(await ask("Remove this link?", "Remove", { danger: true }))) return;
      try {
        await withSignIn(() => send("DELETE", `${this.path}/${segment}`));
        notify("Link removed.");
        this.load();
      } catch (error) {
        notify(error instanceof Error ? error.message : "The link was not removed.", { kind: "error" });
      }
    };
    return button("Remove", unlink, { class: "button quiet", "aria-label": `Remove the link to ${segment}` });
  }

  /** @param {Row[]} rows */
  #tree(rows) {
    const { target, relation } = this;
    if (target === null) return el("p", {}, `${rows.length} rows`);
    const above = (/** @type {Row} */ row) => JSON.stringify(relation.pairs.map(([, there]) => String(row[there])));
    const itself = (/** @type {Row} */ row) => JSON.stringify(relation.pairs.map(([here]) => String(row[here])));
    // A row that is above itself is in the answer once for each level.
    const unique = new Map(rows.map((row) => [keyOf(target, row), row]));
    unique.delete(keyOf(target, this.row));
    const below = (/** @type {Row} */ parent) => {
      const children = [...unique.values()].filter((row) => above(row) === itself(parent));
      for (const row of children) unique.delete(keyOf(target, row));
      if (children.length === 0) return null;
      /** @type {HTMLElement} */
      const list = el(
        "ul",
        { class: "tree" },
        children.map((row) => el("li", {}, el("a", { href: rowUrl(target, keyOf(target, row)) }, labelOf(target, row)), below(row))),
      );
      return list;
    };
    return below(this.row);
  }

  /** @param {Row | null} row The link to change; null for a new one. */
  #openLink(row) {
    const { relation } = this;
    const end = tableNamed(relation.link_table);
    const picker = row !== null || end === null ? null : createPicker(end, false);
    const plain = el("input", { type: "text", value: row === null ? "" : decodeURIComponent(this.#targetSegment(row)), disabled: row !== null });
    const control = picker?.control ?? plain;
    const id = uniqueId("target");
    control.id = id;
    const form = new Form(inputsOf(relation.link ?? {}, null), null);
    form.write(Object.fromEntries(form.parts.map(({ input }) => [input.name, row === null ? input.initial : row[input.name]])));
    const footer = formFooter(row === null ? "Link" : "Save", closeButton());
    const chosen = () => {
      try {
        return picker ? picker.read() : plain.value.trim();
      } catch (error) {
        if (!(error instanceof InvalidInput)) throw error;
        return undefined; // a text that is that of no row
      }
    };
    const save = async () => {
      const body = row === null ? form.values() : form.all();
      const value = chosen();
      if (value === undefined || value === null || value === "") {
        form.fail("Choose a row.", []);
        control.focus();
        return;
      }
      if (body === null) return;
      const segment = row !== null ? this.#targetSegment(row) : picker ? keySegment([value].flat()) : value.split(",").map(encodeURIComponent).join(",");
      try {
        await withSignIn(() => send("PUT", `${this.path}/${segment}`, relation.link === null ? {} : { body }));
        dialog.close();
        notify(row === null ? "Link added." : "Link changed.");
        this.load();
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        form.fail(error.message, error.errors);
      }
    };
    const element = el(
      "form",
      {
        novalidate: true,
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          busy(footer.submit, save);
        },
      },
      el("div", { class: "field" }, el("label", { for: id }, end ? words(nounOf(end)) : "Key"), picker?.element ?? plain),
      form,
      footer.element,
    );
    const isTyped = () => form.isChanged || (row === null && ![undefined, ""].includes(chosen()));
    const title = row === null ? `Link ${words(relation.name).toLowerCase()}` : "Change the link";
    const dialog = openDialog(title, [element], { canClose: unlessTyped(isTyped) });
    (row === null ? control : form.parts[0]?.editor.control)?.focus();
  }

  /** @param {Table} target */
  #openCreate(target) {
    const inputs = childInputs(this.relation, target.create ?? {}, target);
    const form = new Form(inputs, target);
    form.write(Object.fromEntries(inputs.map((input) => [input.name, input.initial])));
    const footer = formFooter(`Create ${nounOf(target)}`, closeButton());
    const save = async () => {
      const body = form.values();
      if (body === null) return;
      try {
        await withSignIn(() => send("POST", this.path, { body }));
        dialog.close();
        notify(`Created the ${nounOf(target)}.`);
        this.load();
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        form.fail(error.message, error.errors);
      }
    };
    const element = el(
      "form",
      {
        novalidate: true,
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          busy(footer.submit, save);
        },
      },
      form,
      footer.element,
    );
    const dialog = openDialog(`New ${nounOf(target)}`, [element], { canClose: unlessTyped(() => form.isChanged) });
    form.parts[0]?.editor.control.focus();
  }
}

customElements.define("studio-relation", RelationSection);
