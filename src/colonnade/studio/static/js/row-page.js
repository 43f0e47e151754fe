/**
 * The page of a row, a new one or an existing one.
 */
import { ExistingRow } from "./existing-row.js";
import { NewRow } from "./new-row.js";

/** @typedef {import("./types.js").Table} Table */

/**
 * @param {Table} table
 * @param {string | null} key The key as in the URL; null for a new row.
 * @param {URLSearchParams} query Values of a new row, or `copy` with the key of another one.
 */
export function rowPage(table, key, query) {
  return key === null ? new NewRow(table, query) : new ExistingRow(table, key);
}
