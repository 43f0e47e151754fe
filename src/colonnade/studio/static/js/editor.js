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
export const LONG_TEXT = 100_000;

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
