/**
 * The tables, and what follows from their descriptions.
 */
import { send, session } from "./api.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Field} Field */
/** @typedef {import("./types.js").Relation} Relation */
/** @typedef {import("./types.js").Row} Row */

/** @type {import("./types.js").CatalogData} */
let data = { title: "", csrf: "", tables: [], left_out: [], features: {} };

/** Load the catalog, or load it again. */
export async function loadCatalog() {
  data = (await send("GET", "catalog")).data;
  session.csrf = data.csrf;
}

export const catalog = {
  get title() {
    return data.title;
  },
  get tables() {
    return data.tables;
  },
  get showsSQL() {
    return data.features.sql === true;
  },
  get isLocal() {
    return data.features.local === true;
  },
  get canCompare() {
    return data.features.drift === true;
  },
  get leftOut() {
    return data.left_out;
  },
};

/** @param {string} id */
export function tableOf(id) {
  return data.tables.find((table) => table.id === id) ?? null;
}

/**
 * The table that serves the rows of a table in the database.
 *
 * @param {string | null} name
 */
export function tableNamed(name) {
  const serving = data.tables.filter((table) => table.table === name);
  return serving.find((table) => table.operations.includes("list")) ?? serving[0] ?? null;
}

/**
 * The words of a name: `progress_percent` and `task-assignments` as a title.
 *
 * @param {string} name
 */
export function words(name) {
  const text = name.replace(/[_-]+/g, " ").trim() || name;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @param {Table} table */
export function titleOf(table) {
  return table.studio.title ?? words(table.id);
}

/**
 * What one row of a table is called.
 *
 * @param {Table} table
 */
export function nounOf(table) {
  return table.name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
}

/**
 * What a field is called: a reference by the row that it leads to.
 *
 * @param {Table} table
 * @param {Field} field
 */
export function fieldTitle(table, field) {
  if (field.schema.title) return field.schema.title;
  const reference = referenceOf(table, field);
  return words(reference?.relation?.name ?? field.name);
}

/**
 * @param {Table} table
 * @param {string} name
 */
export function fieldOf(table, name) {
  return table.fields.find((field) => field.name === name) ?? null;
}

/**
 * @param {Table} table
 * @param {string} operation
 */
export function can(table, operation) {
  return table.operations.includes(operation);
}

const NAMES = ["name", "title", "label", "slug", "email", "username", "code", "subject"];

/**
 * The text fields in which a search looks.
 *
 * @param {Table} table
 * @returns {string[]}
 */
export function searchFields(table) {
  if (table.studio.search.length > 0) return table.studio.search;
  const texts = table.fields.filter((field) => field.kind === "text" && field.filters.icontains);
  const named = NAMES.flatMap((name) => texts.filter((field) => field.name === name));
  const chosen = named.length > 0 ? named : texts.filter((field) => field.unique);
  return (chosen.length > 0 ? chosen : texts).slice(0, 2).map((field) => field.name);
}

/**
 * The field whose value names a row; null if only its key does.
 *
 * @param {Table} table
 * @returns {string | null}
 */
export function labelField(table) {
  if (table.studio.label !== null) return table.studio.label;
  if (table.studio.search.length > 0) return searchFields(table)[0] ?? null;
  const texts = table.fields.filter((field) => field.kind === "text" && field.references === null);
  const named = NAMES.flatMap((name) => texts.filter((field) => field.name === name));
  return (named[0] ?? texts.find((field) => field.unique))?.name ?? null;
}

/**
 * @param {Table} table
 * @param {Row} row
 */
export function labelOf(table, row) {
  const field = labelField(table);
  const value = field === null ? null : row[field];
  if (value !== null && value !== undefined && value !== "") return String(value).slice(0, 120);
  return `${nounOf(table)} ${table.key.map((name) => row[name]).join(", ")}`;
}

/** @type {{[character: string]: string}} */
const ESCAPES = { "~": "~0", "/": "~1", ",": "~2" };

/**
 * The key of a row as a segment of a path: see Keys in Python.
 *
 * @param {any[]} values
 */
export function keySegment(values) {
  const parts = values.map((value) => {
    const text = String(value);
    if (text === "." || text === "..") return text.replaceAll(".", "~3");
    return text === "" ? "~4" : text.replace(/[~/,]/g, (each) => ESCAPES[each] ?? each);
  });
  return parts.map(encodeURIComponent).join(",");
}

/**
 * @param {Table} table
 * @param {Row} row
 */
export function keyOf(table, row) {
  return keySegment(table.key.map((name) => row[name]));
}

/**
 * Whether a row has its whole key, so that it can be opened.
 *
 * @param {Table} table
 * @param {Row} row
 */
export function hasKey(table, row) {
  return table.key.every((name) => row[name] !== undefined && row[name] !== null);
}

/**
 * The relation to one row that a field refers to, with the table that serves it.
 *
 * @param {Table} table
 * @param {Field} field
 * @returns {{relation: Relation | null, target: Table} | null}
 */
export function referenceOf(table, field) {
  const relation = table.relations.find(
    (each) => each.kind === "one" && each.pairs.length === 1 && each.pairs[0]?.[0] === field.name,
  );
  if (field.references === null && relation === undefined) return null;
  const target = tableNamed(relation?.table ?? field.references?.[0] ?? null);
  // A reference to another field than the key cannot be opened by its value.
  if (target === null || target.key.length !== 1) return null;
  const column = field.references?.[1] ?? relation?.pairs[0]?.[1];
  const key = fieldOf(target, target.key[0] ?? "");
  if (key !== null && column !== key.column) return null;
  return { relation: relation ?? null, target };
}

/**
 * The relations to one row whose key has several columns, with the tables that serve them.
 *
 * @param {Table} table
 * @returns {{relation: Relation, target: Table}[]}
 */
export function compositeReferences(table) {
  return table.relations.flatMap((relation) => {
    const target = relation.kind === "one" && relation.pairs.length > 1 ? tableNamed(relation.table) : null;
    const there = new Set(relation.pairs.map(([, name]) => name));
    const isKey = target?.key.length === there.size && target.key.every((name) => there.has(name));
    return target !== null && isKey ? [{ relation, target }] : [];
  });
}

/**
 * The relations to one row that a list includes, so that cells have names instead of keys.
 *
 * @param {Table} table
 * @returns {Relation[]}
 */
export function includedReferences(table) {
  return table.relations.filter(
    (each) => each.kind === "one" && each.included && tableNamed(each.table) !== null,
  );
}

/** @param {string} path */
export function pageUrl(path) {
  return `${document.documentElement.dataset.base}${path}`;
}

/**
 * @param {Table} table
 * @param {string} key
 */
export function rowUrl(table, key) {
  return pageUrl(`tables/${table.id}/rows/${key}`);
}

/**
 * @param {Table} table
 * @param {string} [query]
 */
export function tableUrl(table, query = "") {
  return pageUrl(`tables/${table.id}${query ? `?${query}` : ""}`);
}
