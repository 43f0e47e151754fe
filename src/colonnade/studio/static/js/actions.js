/**
 * Runs the actions of a table with chosen rows.
 */
import { RequestError, send } from "./api.js";
import { keyOf } from "./catalog.js";
import { ask, closeButton, openDialog, unlessTyped } from "./dialogs.js";
import { el } from "./dom.js";
import { Form, busy, formFooter } from "./form.js";
import { notify } from "./notices.js";
import { inputsOf } from "./schemas.js";
import { withSignIn } from "./sign-in.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./types.js").Action} Action */

/**
 * Run an action, after its question or its form.
 *
 * @param {Table} table
 * @param {Action} action
 * @param {Row[]} rows
 * @param {() => void} done
 */
export async function runAction(table, action, rows, done) {
  if (action.form !== null) {
    openForm(table, action, rows, done);
    return;
  }
  if (action.confirm !== null && !(await ask(action.confirm, action.title, { detail: action.description }))) return;
  try {
    await call(table, action, rows, undefined);
    done();
  } catch (error) {
    notify(error instanceof Error ? error.message : "The action failed.", { kind: "error" });
  }
}

/**
 * @param {Table} table
 * @param {Action} action
 * @param {Row[]} rows
 * @param {() => void} done
 */
function openForm(table, action, rows, done) {
  const form = new Form(inputsOf(action.form ?? {}, null), table);
  form.write(Object.fromEntries(form.parts.map(({ input }) => [input.name, input.initial])));
  const footer = formFooter(action.title, closeButton());
  const run = async () => {
    const body = form.values();
    if (body === null) return;
    try {
      await call(table, action, rows, body);
      dialog.close();
      done();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      form.fail(error.message, error.errors);
    }
  };
  const element = el(
    "form",
    {
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        busy(footer.submit, run);
      },
    },
    el("p", { class: "hint" }, [action.confirm, action.description].filter(Boolean).join(" ")),
    form,
    footer.element,
  );
  const title = `${action.title}: ${rows.length} ${rows.length === 1 ? "row" : "rows"}`;
  const dialog = openDialog(title, [element], { canClose: unlessTyped(() => form.isChanged) });
  form.parts[0]?.editor.control.focus();
}

/**
 * @param {Table} table
 * @param {Action} action
 * @param {Row[]} rows
 * @param {any} body
 */
async function call(table, action, rows, body) {
  const keys = rows.map((row) => `key=${keyOf(table, row)}`).join("&");
  const answer = await withSignIn(() => send("POST", `data/${table.id}:${action.name}?${keys}`, { body }));
  notify(answer.data?.message ?? `${action.title}: done.`);
}
