/**
 * Shows values of rows as text.
 */
import { el } from "./dom.js";
import { stringifyJSON } from "./json.js";

/** @typedef {import("./types.js").Field} Field */

const LONGEST = 200;

/** Characters that change or hide the text around them: controls, and directions of writing. */
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/**
 * A text in which invisible characters can be seen.
 *
 * @param {string} text
 */
export function visible(text) {
  return text.replace(INVISIBLE, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : `\u27e8U+${code.toString(16).toUpperCase().padStart(4, "0")}\u27e9`;
  });
}

/**
 * A value as a short text.
 *
 * @param {any} value
 * @param {Field | null} [field]
 * @returns {string}
 */
export function shortText(value, field = null) {
  if (value === null || value === undefined) return "";
  if (typeof value === "object") return cut(stringifyJSON(value));
  if (field?.kind === "datetime") return datetimeText(String(value), field.is_aware);
  return cut(String(value));
}

/** @param {string} text */
function cut(text) {
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}\u2026` : text;
  return visible(short.replace(/\s+/g, " "));
}

/**
 * A datetime in the reader's time zone if it has one itself, else as it is.
 *
 * @param {string} text
 * @param {boolean} isAware
 */
export function datetimeText(text, isAware) {
  if (!isAware) return text.replace("T", " ");
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  return localInput(date).replace("T", " ").replace(/\.\d+$/, "").replace(/:00$/, "");
}

/**
 * A time as `datetime-local` has it, in the time zone of the reader.
 *
 * @param {Date} date
 */
export function localInput(date) {
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, -1);
}

/** The time zone of the reader. */
export function timeZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
}

/**
 * A value in a cell.
 *
 * @param {any} value
 * @param {Field | null} [field]
 */
export function cell(value, field = null) {
  if (value === null || value === undefined) return el("span", { class: "null" }, "null");
  if (value === "") return el("span", { class: "null" }, "empty");
  if (typeof value === "boolean") return el("span", { class: `flag ${value}` }, value ? "yes" : "no");
  if (field?.choices) return el("span", { class: "choice" }, shortText(value, field));
  if (field?.kind === "datetime" && field.is_aware) {
    const title = `${value} (shown in ${timeZone()})`;
    return el("time", { datetime: value, title }, shortText(value, field));
  }
  const text = shortText(value, field);
  const long = typeof value === "string" && value.length > LONGEST;
  const title = long ? `${value.length.toLocaleString("en")} characters` : null;
  return el("span", { class: typeof value === "object" ? "json" : null, title }, text);
}

/** @param {Field} field */
export function isNumeric(field) {
  return ["integer", "float", "decimal"].includes(field.kind) && field.references === null;
}

/**
 * Bytes as people read them.
 *
 * @param {number} bytes
 */
export function sizeText(bytes) {
  let size = bytes;
  for (const unit of ["bytes", "kB", "MB"]) {
    if (size < 1000) return `${size.toFixed(unit === "bytes" || size >= 100 ? 0 : 1)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} GB`;
}
