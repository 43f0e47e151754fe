/**
 * The input of JSON, which says while typing what is not valid yet.
 */
import { button, el } from "./dom.js";
import { InvalidInput, LONG_TEXT, grow } from "./editor.js";
import { parseJSON, stringifyJSON } from "./json.js";

/** @typedef {import("./schemas.js").Input} Input */
/** @typedef {import("./editor.js").Editor} Editor */

/**
 * @param {Input} input
 * @returns {Editor}
 */
export function jsonEditor(input) {
  const control = el("textarea", { rows: "4", spellcheck: "false", class: "code" });
  const status = el("span", { class: "hint", "aria-live": "polite" });
  control.addEventListener("input", () => {
    try {
      if (control.value.trim() !== "") parseJSON(control.value);
      status.textContent = "";
    } catch (error) {
      status.textContent = `Not valid JSON yet: ${error instanceof Error ? error.message : error}`;
    }
  });
  /** @type {any} */
  let written;
  const format = button("Format", () => {
    try {
      control.value = stringifyJSON(parseJSON(control.value), 2);
      grow(control);
    } catch {
      control.focus();
    }
  });
  return {
    element: el("span", { class: "stacked" }, control, el("span", { class: "joined" }, format, status)),
    control,
    hint: "JSON",
    read() {
      if (control.readOnly) return written;
      const text = control.value.trim();
      if (text === "") return input.nullable ? null : undefined;
      try {
        return parseJSON(text);
      } catch (error) {
        throw new InvalidInput(`This is not valid JSON: ${error instanceof Error ? error.message : error}`);
      }
    },
    write(value) {
      written = value;
      const text = value === undefined ? "" : stringifyJSON(value, 2);
      control.readOnly = text.length > LONG_TEXT;
      control.value = control.readOnly ? text.slice(0, 1000) : text;
      if (control.readOnly) control.title = `The first 1,000 of ${text.length.toLocaleString("en")} characters`;
      grow(control);
    },
  };
}
