/**
 * What the URL of a table asks for, and the request that follows from it.
 *
 * The query of the page is that of the API, so that a link shows the same rows to everyone who may
 * see them. The request adds what the page needs besides: keys, and the names of related rows.
 */
import { fieldOf, includedReferences, referenceOf, searchFields } from "./catalog.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Field} Field */

/** Parameters that are not filters. */
const OPTIONS = new Set(["limit", "offset", "cursor", "count", "order_by", "fields", "include", "where"]);

export const PAGE_SIZE = 50;

const MOST_COLUMNS = 12;

/**
 * The fields that the grid shows.
 *
 * @param {Table} table
 * @param {URLSearchParams} query
 * @returns {Field[]}
 */
export function shownFields(table, query) {
  const chosen = query.get("fields")?.split(",") ?? table.studio.columns;
  const fields = chosen.flatMap((name) => fieldOf(table, name) ?? []);
  if (fields.length > 0) return fields;
  return [...table.fields]
    .sort((first, second) => rank(first) - rank(second))
    .slice(0, MOST_COLUMNS);
}

/**
 * Keys first, and long contents last, in a table without chosen columns.
 *
 * @param {Field} field
 */
function rank(field) {
  if (field.primary_key) return 0;
  return ["json", "bytes", "other"].includes(field.kind) ? 2 : 1;
}

/**
 * The relations whose number of rows the grid shows.
 *
 * @param {Table} table
 */
export function countedRelations(table) {
  return table.relations.filter((relation) => relation.count !== null);
}

/**
 * The query of the request for a page of a table.
 *
 * @param {Table} table
 * @param {URLSearchParams} query That of the URL.
 */
export function requestQuery(table, query) {
  const request = new URLSearchParams(query);
  if (!request.has("limit")) request.set("limit", String(Math.min(PAGE_SIZE, table.max_limit)));
  const shown = shownFields(table, query);
  const references = includedReferences(table).filter((relation) =>
    shown.some((field) => referenceOf(table, field)?.relation === relation),
  );
  const include = [
    ...(query.get("include")?.split(",") ?? []),
    ...references.map((relation) => relation.name),
    ...countedRelations(table).map((relation) => `${relation.name}.count`),
  ];
  if (include.length > 0) request.set("include", [...new Set(include)].join(","));
  if (shown.length < table.fields.length) {
    const names = [...table.key, ...shown.map((field) => field.name), ...joined(table)];
    const known = names.filter((name) => fieldOf(table, name) !== null);
    request.set("fields", [...new Set(known)].join(","));
  } else {
    request.delete("fields");
  }
  return request;
}

/**
 * The fields that lead from a row to the rows of its counted relations.
 *
 * @param {Table} table
 */
function joined(table) {
  return countedRelations(table).flatMap((relation) => relation.pairs.map(([here]) => here));
}

/**
 * A filter in the URL.
 *
 * @typedef {{name: string, value: string, field: Field | null, operator: string}} Filter
 */

/**
 * @param {Table} table
 * @param {URLSearchParams} query
 * @returns {Filter[]}
 */
export function filtersOf(table, query) {
  return [...query]
    .filter(([name]) => !OPTIONS.has(name))
    .map(([name, value]) => {
      for (const field of table.fields) {
        for (const [operator, parameter] of Object.entries(field.filters)) {
          if (parameter === name || (operator === "eq" && `${field.name}__eq` === name)) {
            return { name, value, field, operator };
          }
        }
      }
      return { name, value, field: null, operator: "eq" };
    });
}

/**
 * The query with other filters, from the first page on.
 *
 * @param {URLSearchParams} query
 * @param {[string, string][]} filters
 */
export function withFilters(query, filters) {
  const changed = new URLSearchParams([...query].filter(([name]) => OPTIONS.has(name)));
  for (const [name, value] of filters) changed.append(name, value);
  return firstPage(changed);
}

/**
 * The query from its first page on.
 *
 * @param {URLSearchParams} query
 */
export function firstPage(query) {
  const changed = new URLSearchParams(query);
  changed.delete("cursor");
  changed.delete("offset");
  return changed;
}

/**
 * The conditions of a search in the names of rows.
 *
 * @param {Table} table
 * @param {string} text
 */
export function searchConditions(table, text) {
  const names = searchFields(table);
  return JSON.stringify({ or: names.map((name) => ({ [`${name}__icontains`]: text })) });
}

/**
 * The text that `where` searches for; empty if it does something else.
 *
 * @param {Table} table
 * @param {URLSearchParams} query
 */
export function searchedText(table, query) {
  const where = query.get("where") ?? "";
  try {
    const text = Object.values(JSON.parse(where).or[0])[0];
    return typeof text === "string" && searchConditions(table, text) === where ? text : "";
  } catch {
    return "";
  }
}

/** @type {{[operator: string]: string}} */
export const OPERATOR_WORDS = {
  eq: "is",
  ne: "is not",
  lt: "is less than",
  lte: "is at most",
  gt: "is greater than",
  gte: "is at least",
  in: "is one of",
  not_in: "is none of",
  is_null: "is null",
  contains: "contains",
  icontains: "contains (ignoring case)",
  startswith: "begins with",
  istartswith: "begins with (ignoring case)",
  endswith: "ends with",
  iendswith: "ends with (ignoring case)",
  overlaps: "has any of",
};
