/**
 * What every editor is: the input of one field.
 */

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

/** Characters of which an input shows the beginning only, because typing would be slow. */
const LONG_TEXT = 100_000;

/**
 * Show a text, or the beginning of a long one, which cannot be changed.
 *
 * @param {HTMLTextAreaElement} area
 * @param {string} text
 * @param {HTMLElement} note Says what is missing.
 * @returns {boolean} Whether the text is whole.
 */
export function showText(area, text, note) {
  const isWhole = text.length <= LONG_TEXT;
  area.readOnly = !isWhole;
  area.value = isWhole ? text : text.slice(0, 1000);
  note.hidden = isWhole;
  note.textContent = isWhole ? "" : `The first 1,000 of ${text.length.toLocaleString("en")} characters, read-only`;
  return isWhole;
}

/**
 * Show as many lines as a text has, within limits.
 *
 * @param {HTMLTextAreaElement} area
 */
export function grow(area) {
  const lines = area.value.slice(0, 5000).split("\n").length;
  if (area.classList.contains("line")) area.rows = Math.min(lines, 20);
  else area.rows = Math.min(Math.max(lines + 1, area.classList.contains("code") ? 4 : 2), 20);
}
