/**
 * The inputs of what has few values: choices, and yes or no.
 */
import { el } from "./dom.js";

/** @typedef {import("./schemas.js").Input} Input */
/** @typedef {import("./editor.js").Editor} Editor */

/** @param {Input} input */
export function choiceEditor(input) {
  const choices = input.choices ?? [];
  const select = el(
    "select",
    {},
    el("option", { value: "" }, input.unchosen ?? (input.nullable ? "null" : "Choose\u2026")),
    choices.map((choice, index) => el("option", { value: String(index) }, choiceText(choice))),
  );
  return {
    element: select,
    control: select,
    read() {
      if (select.value !== "") return choices[Number(select.value)];
      return input.nullable ? null : undefined;
    },
    write(/** @type {any} */ value) {
      const index = choices.indexOf(value);
      select.value = index < 0 ? "" : String(index);
    },
  };
}

/** @param {any} choice */
function choiceText(choice) {
  if (choice === true) return "yes";
  return choice === false ? "no" : String(choice);
}

/** @returns {Editor} */
export function checkboxEditor() {
  const box = el("input", { type: "checkbox" });
  return {
    element: box,
    control: box,
    read: () => box.checked,
    write: (value) => {
      box.checked = value === true;
    },
  };
}
