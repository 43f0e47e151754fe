/**
 * The page of a row, a new one or an existing one.
 */
import { ExistingRow } from "./existing-row.js";
import { NewRow } from "./new-row.js";

/** @typedef {import("./types.js").Table} Table */

/**
 * @param {Table} table
 * @param {string | null} key The key as in the URL; null for a new row.
 * @param {URLSearchParams} query Values of a new row.
 * @param {string} [copied] The key of a row that a new one copies.
 */
export function rowPage(table, key, query, copied) {
  return key === null ? new NewRow(table, query, copied) : new ExistingRow(table, key);
}
