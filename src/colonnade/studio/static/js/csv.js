/**
 * CSV of the rows on the page, as spreadsheets read it.
 */
import { stringifyJSON } from "./json.js";

/** A spreadsheet would compute a text that begins so. */
const FORMULA = /^[=+\-@\t\r]/;

/**
 * @param {string[]} names
 * @param {any[][]} rows
 */
export function csvOf(names, rows) {
  const lines = [names, ...rows].map((row) => row.map(csvCell).join(","));
  return `\ufeff${lines.join("\r\n")}\r\n`;
}

/** @param {any} value */
export function csvCell(value) {
  if (value === null || value === undefined) return "";
  let text = typeof value === "object" ? stringifyJSON(value) : String(value);
  if (typeof value === "string" && FORMULA.test(text) && !/^[+-]?[\d.]+$/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Save a text as a file.
 *
 * @param {string} name
 * @param {string} text
 * @param {string} type
 */
export function saveFile(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
