/**
 * The input of a number, with its bounds.
 */
import { el } from "./dom.js";
import { InvalidInput } from "./editor.js";

/** @typedef {import("./schemas.js").Input} Input */
/** @typedef {import("./editor.js").Editor} Editor */

/** @param {string} text */
export function finite(text) {
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

/**
 * @param {Input} input
 * @param {RegExp} pattern
 * @param {string} noun
 * @param {(text: string) => any} convert
 * @returns {Editor}
 */
export function numberEditor(input, pattern, noun, convert) {
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

/** The bounds of integer columns, which tell nobody anything. */
const LIMITS = new Set([15, 31, 63].flatMap((bits) => [-(2 ** bits), 2 ** bits - 1]));

/** @param {any} schema */
function numericSchema(schema) {
  return schema.anyOf?.find((/** @type {any} */ each) => each.type === "number") ?? schema;
}

/** @param {any} schema */
function boundsText(schema) {
  const bounds = numericSchema(schema);
  const parts = BOUNDS.filter(([name]) => bounds[name] !== undefined && !LIMITS.has(Number(bounds[name]))).map(([name, text]) => `${text} ${bounds[name]}`);
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
