/**
 * Two people have changed one row: both versions side by side, to choose from.
 */
import { fieldTitle, nounOf } from "./catalog.js";
import { openDialog } from "./dialogs.js";
import { button, el, uniqueId } from "./dom.js";
import { sameJSON } from "./json.js";
import { cell } from "./values.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Row} Row */

/**
 * Ask which values a row shall have.
 *
 * @param {Table} table
 * @param {Row} changes What the user wants to save, by the names in the body.
 * @param {Row} before The row that the user has seen.
 * @param {Row} current The row as it is now.
 * @returns {Promise<Row | null>} The changes to the current row; null to go on editing.
 */
export function resolveConflict(table, changes, before, current) {
  const fields = table.fields.filter(
    (field) =>
      field.body_name in changes ||
      (field.body_name in (table.update?.properties ?? {}) && !sameJSON(before[field.name], current[field.name])),
  );
  /** @type {Map<string, HTMLInputElement>} */
  const mine = new Map();
  const rows = fields.map((field) => {
    const isMine = field.body_name in changes;
    const name = uniqueId("choice");
    const choice = (/** @type {any} */ value, /** @type {boolean} */ own) => {
      const column = { "data-column": own ? "Yours" : "Theirs" };
      if (!isMine) return el("td", column, cell(value, field));
      const radio = el("input", { type: "radio", name, checked: own });
      if (own) mine.set(field.body_name, radio);
      return el("td", column, el("label", { class: "check" }, radio, cell(value, field)));
    };
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, fieldTitle(table, field)),
      el("td", { "data-column": "Before" }, cell(before[field.name], field)),
      choice(isMine ? changes[field.body_name] : before[field.name], true),
      choice(current[field.name], false),
    );
  });
  return new Promise((resolve) => {
    /** @type {Row | null} */
    let chosen = null;
    const finish = (/** @type {Row} */ values) => {
      chosen = values;
      dialog.close();
    };
    const save = () => finish(Object.fromEntries(Object.entries(changes).filter(([name]) => mine.get(name)?.checked ?? true)));
    const dialog = openDialog(
      "Changed by someone else",
      [
        el("p", {}, `Someone else changed this ${nounOf(table)} after you opened it. Choose a value for each field.`),
        el(
          "div",
          { class: "grid-scroll", tabindex: "0", role: "region", "aria-label": "Both versions" },
          el(
            "table",
            { class: "grid versions" },
            el("thead", {}, el("tr", {}, ["Field", "Before", "Yours", "Theirs"].map((text) => el("th", { scope: "col" }, text)))),
            el("tbody", {}, rows),
          ),
        ),
        el(
          "footer",
          {},
          button("Keep editing", () => dialog.close()),
          button("Discard my changes", () => finish({})),
          button("Save selected values", save, { class: "button primary" }),
        ),
      ],
      { wide: true },
    );
    dialog.addEventListener("close", () => resolve(chosen));
  });
}
