/**
 * The input of a text, of one line or of several.
 */
import { el } from "./dom.js";
import { InvalidInput, grow, showText } from "./editor.js";

/** @typedef {import("./schemas.js").Input} Input */
/** @typedef {import("./editor.js").Editor} Editor */

/**
 * @param {Input} input
 * @returns {Editor}
 */
export function textEditor(input) {
  const { maxLength, minLength } = input.schema;
  const isLong = input.kind === "text" && !input.schema.format && (maxLength === undefined || maxLength > 250);
  return new TextEditor(input, isLong, lengthText(minLength, maxLength));
}

/** @implements {Editor} */
class TextEditor {
  /**
   * @param {Input} input
   * @param {boolean} isLong Whether a text usually has several lines.
   * @param {string} hint
   */
  constructor(input, isLong, hint) {
    this.input = input;
    this.hint = hint;
    // A line break in an input of one line would be lost, so that all texts have an area.
    this.control = el("textarea", { rows: isLong ? "2" : "1", class: isLong ? null : "line" });
    this.nullBox = el("input", { type: "checkbox" });
    this.note = el("span", { class: "hint", hidden: true });
    const line = input.nullable
      ? el("span", { class: "joined" }, this.control, el("label", { class: "check" }, this.nullBox, "null"))
      : this.control;
    this.element = el("span", { class: "stacked" }, line, this.note);
    this.isUntouched = true;
    /** What was written: the area changes line ends, and has a part of what is very long. */
    this.written = "";
    this.control.addEventListener("input", () => {
      this.isUntouched = false;
      this.nullBox.checked = false;
      grow(this.control);
    });
    if (!isLong) this.control.addEventListener("keydown", submitOnEnter);
    this.nullBox.addEventListener("change", () => {
      this.isUntouched = false;
      if (this.nullBox.checked) this.control.value = "";
    });
  }

  read() {
    if (this.nullBox.checked) return null;
    if (this.isUntouched) {
      const isMissing = this.written === "" && !this.input.nullable && this.input.initial === undefined;
      return isMissing ? undefined : this.written;
    }
    const text = /\r\n/.test(this.written) ? this.control.value.replaceAll("\n", "\r\n") : this.control.value;
    checkText(text, this.input);
    return text;
  }

  /** @param {any} value */
  write(value) {
    this.isUntouched = true;
    this.nullBox.checked = value === null;
    this.written = value === null || value === undefined ? "" : String(value);
    this.nullBox.disabled = !showText(this.control, this.written, this.note);
    grow(this.control);
  }
}

/**
 * Save with Enter in a text of one line, as in any input; Shift+Enter begins another line.
 *
 * @param {KeyboardEvent} event
 */
function submitOnEnter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.metaKey || event.isComposing) return;
  event.preventDefault();
  if (event.target instanceof HTMLTextAreaElement) event.target.form?.requestSubmit();
}

/**
 * @param {number | undefined} least
 * @param {number | undefined} most
 */
function lengthText(least, most) {
  if (most !== undefined) return `At most ${most} characters`;
  return least !== undefined && least > 1 ? `At least ${least} characters` : "";
}

/**
 * @param {string} text
 * @param {Input} input
 */
function checkText(text, input) {
  const { maxLength, minLength, pattern } = input.schema;
  // Characters as Python counts them, not the code units of JavaScript.
  const length = [...text].length;
  if (minLength !== undefined && length < minLength) {
    throw new InvalidInput(minLength === 1 ? "Enter some text." : `Enter at least ${minLength} characters.`);
  }
  if (maxLength !== undefined && length > maxLength) {
    throw new InvalidInput(`Enter at most ${maxLength} characters; you entered ${length}.`);
  }
  if (typeof pattern === "string" && !matches(text, pattern)) {
    throw new InvalidInput(`This does not match the pattern ${pattern}.`);
  }
}

/**
 * Whether a text matches a pattern of the server, whose language may be another one.
 *
 * @param {string} text
 * @param {string} pattern
 */
function matches(text, pattern) {
  try {
    return new RegExp(pattern, "u").test(text);
  } catch {
    return true; // the server decides
  }
}
