/**
 * The inputs of a form, one for each kind of field.
 *
 * An editor reads what was typed as the value of the body, and refuses what the server would refuse
 * with a message that says why.
 */
import { referenceOf } from "./catalog.js";
import { button, el } from "./dom.js";
import { parseJSON, stringifyJSON } from "./json.js";
import { createPicker } from "./picker.js";
import { localInput, timeZone } from "./values.js";

/** @typedef {import("./schemas.js").Input} Input */
/** @typedef {import("./types.js").Table} Table */

/** A text that cannot be the value of a field. */
export class InvalidInput extends Error {}

/**
 * @typedef {object} Editor
 * @property {HTMLElement} element
 * @property {HTMLElement} control The input itself, which the label and the message are about.
 * @property {() => any} read Returns the value, or throws InvalidInput.
 * @property {(value: any) => void} write
 * @property {string} [hint]
 */

const LONG_TEXT = 100_000;

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

/** @param {string} text */
function finite(text) {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new InvalidInput("This number is too large.");
  return value;
}

/** @param {string} text */
export function exactInteger(text) {
  const value = BigInt(text.replace(/^\+/, ""));
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** @param {Input} input */
function choiceEditor(input) {
  const choices = input.choices ?? [];
  const select = el(
    "select",
    {},
    el("option", { value: "" }, input.nullable ? "null" : "Choose\u2026"),
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
function checkboxEditor() {
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

/**
 * @param {Input} input
 * @param {RegExp} pattern
 * @param {string} noun
 * @param {(text: string) => any} convert
 * @returns {Editor}
 */
function numberEditor(input, pattern, noun, convert) {
  const control = el("input", { type: "text", inputmode: "decimal", autocomplete: "off", class: "number" });
  return {
    element: control,
    control,
    hint: boundsText(input.schema),
    read() {
      const text = control.value.trim();
      if (text === "") return input.nullable ? null : undefined;
      if (!pattern.test(text)) throw new InvalidInput(`Enter ${noun}.`);
      checkBounds(Number(text), input.schema);
      return convert(text);
    },
    write(value) {
      control.value = value === null || value === undefined ? "" : String(value);
    },
  };
}

/** @type {[string, string, (value: number, bound: number) => boolean][]} */
const BOUNDS = [
  ["minimum", "at least", (value, bound) => value >= bound],
  ["exclusiveMinimum", "greater than", (value, bound) => value > bound],
  ["maximum", "at most", (value, bound) => value <= bound],
  ["exclusiveMaximum", "less than", (value, bound) => value < bound],
];

/** @param {any} schema */
function numericSchema(schema) {
  return schema.anyOf?.find((/** @type {any} */ each) => each.type === "number") ?? schema;
}

/** @param {any} schema */
function boundsText(schema) {
  const bounds = numericSchema(schema);
  const parts = BOUNDS.filter(([name]) => bounds[name] !== undefined).map(([name, text]) => `${text} ${bounds[name]}`);
  return parts.length > 0 ? `${parts.join(", ")}`.replace(/^./, (first) => first.toUpperCase()) : "";
}

/**
 * @param {number} value
 * @param {any} schema
 */
function checkBounds(value, schema) {
  const bounds = numericSchema(schema);
  for (const [name, text, holds] of BOUNDS) {
    if (bounds[name] !== undefined && !holds(value, Number(bounds[name]))) {
      throw new InvalidInput(`The value must be ${text} ${bounds[name]}.`);
    }
  }
}

/**
 * Refuse a date or time of which a part is missing: its value is empty.
 *
 * @param {HTMLInputElement} control
 */
function requireComplete(control) {
  if (control.validity.badInput) throw new InvalidInput("Complete the value, or clear it.");
}

/**
 * @param {Input} input
 * @param {string} type
 * @returns {Editor}
 */
function plainEditor(input, type) {
  const control = el("input", { type });
  return {
    element: control,
    control,
    read() {
      requireComplete(control);
      return control.value || (input.nullable ? null : undefined);
    },
    write(value) {
      // The input has milliseconds; what is not changed is not sent.
      control.value = String(value ?? "").slice(0, 12);
    },
  };
}

/**
 * @param {Input} input
 * @returns {Editor}
 */
function timeEditor(input) {
  const editor = plainEditor(input, "time");
  editor.control.setAttribute("step", "any");
  return editor;
}

/**
 * @param {Input} input
 * @returns {Editor}
 */
function datetimeEditor(input) {
  const control = el("input", { type: "datetime-local", step: "any" });
  const zone = el(
    "select",
    { "aria-label": `Time zone of ${input.title}` },
    el("option", { value: "local" }, timeZone()),
    el("option", { value: "utc" }, "UTC"),
  );
  const show = (/** @type {Date} */ date) => {
    control.value = zone.value === "utc" ? date.toISOString().slice(0, -1) : localInput(date);
  };
  const typed = () => new Date(zone.dataset.shown === "utc" ? `${control.value}Z` : control.value);
  zone.dataset.shown = "local";
  zone.addEventListener("change", () => {
    const date = typed();
    zone.dataset.shown = zone.value;
    if (!Number.isNaN(date.getTime())) show(date);
  });
  return {
    element: input.isAware ? el("span", { class: "joined" }, control, zone) : control,
    control,
    read() {
      requireComplete(control);
      if (control.value === "") return input.nullable ? null : undefined;
      return input.isAware ? typed().toISOString() : control.value;
    },
    write(value) {
      if (value === null || value === undefined) control.value = "";
      else if (input.isAware) show(new Date(value));
      else control.value = String(value).slice(0, 23);
    },
  };
}

/**
 * @param {Input} input
 * @returns {Editor}
 */
function jsonEditor(input) {
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

/**
 * @param {Input} input
 * @returns {Editor}
 */
function textEditor(input) {
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
    this.element = input.nullable
      ? el("span", { class: "joined" }, this.control, el("label", { class: "check" }, this.nullBox, "null"))
      : this.control;
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
    const isLarge = this.written.length > LONG_TEXT;
    this.control.value = isLarge ? this.written.slice(0, 1000) : this.written;
    this.control.readOnly = isLarge;
    if (isLarge) this.control.title = `The first 1,000 of ${this.written.length.toLocaleString("en")} characters`;
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

/** @param {HTMLTextAreaElement} area */
function grow(area) {
  const lines = area.value.slice(0, 5000).split("\n").length;
  if (area.classList.contains("line")) area.rows = Math.min(lines, 20);
  else area.rows = Math.min(Math.max(lines + 1, area.classList.contains("code") ? 4 : 2), 20);
}
