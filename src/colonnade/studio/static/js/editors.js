/**
 * The inputs of a form, one for each kind of field.
 *
 * An editor reads what was typed as the value of the body, and refuses what the server would refuse
 * with a message that says why.
 */
import { referenceOf } from "./catalog.js";
import { checkboxEditor, choiceEditor } from "./choice-editors.js";
import { jsonEditor } from "./json-editor.js";
import { exactInteger, finite, numberEditor } from "./number-editor.js";
import { createPicker } from "./picker.js";
import { textEditor } from "./text-editor.js";
import { datetimeEditor, plainEditor, timeEditor } from "./time-editors.js";

/** @typedef {import("./schemas.js").Input} Input */
/** @typedef {import("./editor.js").Editor} Editor */
/** @typedef {import("./types.js").Table} Table */

/**
 * Make the editor of a field.
 *
 * @param {Input} input
 * @param {Table | null} table
 * @returns {Editor}
 */
export function createEditor(input, table) {
  const reference = input.field && table ? referenceOf(table, input.field) : null;
  if (reference) return createPicker(reference.target, input.nullable || !input.required);
  if (input.choices) return choiceEditor(input);
  switch (input.kind) {
    case "boolean":
      return input.nullable ? choiceEditor({ ...input, choices: /** @type {any} */ ([true, false]) }) : checkboxEditor();
    case "integer":
      return numberEditor(input, /^[+-]?\d+$/, "a whole number", (text) => exactInteger(text));
    case "float":
      return numberEditor(input, /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, "a number", finite);
    case "decimal":
      return numberEditor(input, /^[+-]?(\d+\.?\d*|\.\d+)$/, "a decimal number", (text) => text);
    case "date":
      return plainEditor(input, "date");
    case "time":
      return timeEditor(input);
    case "datetime":
      return datetimeEditor(input);
    case "json":
    case "range":
    case "other":
    case "native":
      return jsonEditor(input);
    default:
      return textEditor(input);
  }
}
