/**
 * Reads and writes rows.
 */
import { send } from "./api.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Row} Row */

/**
 * The rows of a list, which may be in an envelope.
 *
 * @param {{rows: string | null} | null} table
 * @param {any} data
 * @returns {Row[]}
 */
export function rowsOf(table, data) {
  if (Array.isArray(data)) return data;
  const named = table?.rows ? data?.[table.rows] : undefined;
  return named ?? Object.values(data ?? {}).find(Array.isArray) ?? [];
}

/**
 * The number of all rows that a response counts; null if it does not.
 *
 * @param {Headers} headers
 */
export function totalOf(headers) {
  const range = headers.get("content-range")?.split("/")[1];
  const total = headers.get("x-total-count") ?? (range === "*" ? null : range);
  return total === null || total === undefined ? null : Number(total);
}

/**
 * A row, and its version for `If-Match`.
 *
 * @typedef {{row: Row, etag: string, answer: import("./api.js").Answer | null}} Version
 */

/**
 * @param {Table} table
 * @param {string} key
 * @param {string[]} include
 * @returns {Promise<Version>}
 */
export async function readRow(table, key, include = []) {
  const query = include.length > 0 ? `?include=${include.join(",")}` : "";
  const answer = await send("GET", `data/${table.id}/${key}${query}`);
  return { row: answer.data, etag: answer.headers.get("etag") ?? "", answer };
}

/**
 * @param {Table} table
 * @param {string} key
 * @param {Row} changes
 * @param {string} etag Empty to change whatever version there is.
 * @param {Row} [before]
 * @returns {Promise<Version>}
 */
export async function updateRow(table, key, changes, etag, before = {}) {
  const headers = etag ? { "If-Match": etag } : undefined;
  const answer = await send("PATCH", `data/${table.id}/${key}`, headers ? { body: changes, headers } : { body: changes });
  const newTag = answer.headers.get("etag");
  if (answer.data && typeof answer.data === "object" && newTag !== null) {
    return { row: answer.data, etag: newTag, answer };
  }
  try {
    return await readRow(table, key);
  } catch {
    // It was saved, though the row cannot be read again: the page shows why when it reloads.
    return { row: { ...before, ...changes }, etag: newTag ?? "", answer };
  }
}
