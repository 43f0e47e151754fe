/**
 * Changes and deletes many rows at once: all of them, or none.
 */
import { RequestError, send } from "./api.js";
import { keyOf, nounOf, titleOf } from "./catalog.js";
import { ask, closeButton, openDialog, unlessTyped } from "./dialogs.js";
import { el, fill } from "./dom.js";
import { Form, busy, formFooter } from "./form.js";
import { notify } from "./notices.js";
import { inputsOf } from "./schemas.js";
import { withSignIn } from "./sign-in.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Row} Row */

/**
 * Open a form whose changed fields are set in all rows.
 *
 * @param {Table} table
 * @param {Row[]} rows
 * @param {() => void} done
 */
export function openBulkEdit(table, rows, done) {
  const inputs = inputsOf(table.update ?? {}, table).filter((input) => input.field !== null);
  const choose = el(
    "select",
    { "aria-label": "Field to change" },
    el("option", { value: "" }, "Choose a field\u2026"),
    inputs.map((input, index) => el("option", { value: String(index) }, input.title)),
  );
  const chosen = el("div", {});
  /** @type {Form | null} */
  let form = null;
  choose.addEventListener("change", () => {
    const input = inputs[Number(choose.value)];
    form = input && choose.value !== "" ? new Form([{ ...input, required: true }], table) : null;
    fill(chosen, form);
  });
  const footer = formFooter(`Change ${rowsText(rows)}`, closeButton());
  const save = async () => {
    const values = form?.values();
    if (!form || !values) return;
    const [name, value] = Object.entries(values)[0] ?? [];
    const isEmptied = value === null || value === "";
    const question = `Set ${name} to ${value === null ? "null" : "an empty string"} in ${rowsText(rows)}?`;
    if (isEmptied && !(await ask(question, "Change", { danger: true }))) return;
    const body = rows.map((row) => ({ ...keyFields(table, row), ...values }));
    try {
      await withSignIn(() => send("PATCH", `data/${table.id}:batch`, { body }));
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      form.fail(error.message, error.errors);
      return;
    }
    dialog.close();
    notify(`Changed ${rows.length} ${rows.length === 1 ? nounOf(table) : titleOf(table).toLowerCase()}.`);
    done();
  };
  const element = el(
    "form",
    {
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        busy(footer.submit, save);
      },
    },
    el("p", { class: "hint" }, "Either all rows are changed or none."),
    choose,
    chosen,
    footer.element,
  );
  const dialog = openDialog(`Change ${rowsText(rows)}`, [element], { canClose: unlessTyped(() => form?.isChanged ?? false) });
  choose.focus();
}

/** @param {Row[]} rows */
function rowsText(rows) {
  return `${rows.length} ${rows.length === 1 ? "row" : "rows"}`;
}

/**
 * @param {Table} table
 * @param {Row} row
 */
function keyFields(table, row) {
  return Object.fromEntries(table.key.map((name) => [name, row[name]]));
}

/**
 * Delete rows after a question.
 *
 * @param {Table} table
 * @param {Row[]} rows
 * @param {() => void} done
 */
export async function removeRows(table, rows, done) {
  const question = `Delete ${rows.length} ${rows.length === 1 ? nounOf(table) : titleOf(table).toLowerCase()}?`;
  if (!(await ask(question, "Delete", { detail: "This cannot be undone.", danger: true }))) return;
  const keys = rows.map((row) => `key=${keyOf(table, row)}`).join("&");
  try {
    await withSignIn(() => send("DELETE", `data/${table.id}:batch?${keys}`));
  } catch (error) {
    notify(error instanceof Error ? error.message : "Nothing was deleted.", { kind: "error" });
    return;
  }
  notify(`Deleted ${rowsText(rows)}.`);
  done();
}
