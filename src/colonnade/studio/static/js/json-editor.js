/**
 * The input of JSON, which says while typing what is not valid yet.
 */
import { button, el } from "./dom.js";
import { InvalidInput, grow, showText } from "./editor.js";
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
  const note = el("span", { class: "hint", hidden: true });
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
    element: el("span", { class: "stacked" }, control, note, el("span", { class: "joined" }, format, status)),
    control,
    hint: "JSON",
    read() {
      if (control.readOnly) return written;
      const text = control.value.trim();
      if (text === "") return input.nullable ? null : undefined;
      try {
        return parseJSON(text);
      } catch (error) {
        status.textContent = "";
        throw new InvalidInput(`This is not valid JSON: ${error instanceof Error ? error.message : error}`);
      }
    },
    write(value) {
      written = value;
      const text = value === undefined ? "" : stringifyJSON(value, 2);
      showText(control, text, note);
      grow(control);
    },
  };
}
