/**
 * What a JSON schema of a request body says about its fields.
 */
import { fieldOf, fieldTitle, words } from "./catalog.js";

/** @typedef {import("./types.js").JSONSchema} JSONSchema */
/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Field} Field */

/**
 * A field of a body.
 *
 * @typedef {object} Input
 * @property {string} name Its name in the body.
 * @property {string} title
 * @property {string} description
 * @property {string} kind As in a description of a field; guessed from the schema without one.
 * @property {JSONSchema} schema Its schema, without the alternative null.
 * @property {boolean} nullable
 * @property {boolean} required
 * @property {any} initial Its default; undefined without one.
 * @property {(string | number)[] | null} choices
 * @property {string} [unchosen] What an empty choice means.
 * @property {boolean} isAware
 * @property {Field | null} field The field of the rows that it sets; null if responses lack it.
 */

/**
 * The fields of a body.
 *
 * @param {JSONSchema} schema
 * @param {Table | null} table The table that the body writes; null for the form of an action.
 * @returns {Input[]}
 */
export function inputsOf(schema, table) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const field = table?.fields.find((each) => each.body_name === name) ?? fieldOf(table ?? noTable, name);
    const resolved = resolve(property, schema);
    const value = withoutNull(resolved, schema);
    const nullable = value !== resolved || resolved.type === "null";
    return {
      name,
      title: titleOf(property, name, table, field),
      description: property.description ?? "",
      kind: field?.kind ?? kindOf(value),
      schema: value,
      nullable,
      required: required.has(name),
      initial: property.default,
      choices: choicesOf(value) ?? field?.choices ?? null,
      // Without a field: both forms are accepted, unless the schema of a link says otherwise.
      isAware: field?.is_aware ?? value["x-naive"] !== true,
      field,
    };
  });
}

/**
 * The fields of a new row. A box that is not ticked would look like "no", though the server has
 * another default that it does not tell: such a field is a choice.
 *
 * @param {JSONSchema} schema
 * @param {Table | null} table
 * @returns {Input[]}
 */
export function newRowInputs(schema, table) {
  return inputsOf(schema, table).map((input) => {
    const isUnknown = input.kind === "boolean" && !input.nullable && !input.required && input.initial === undefined;
    return isUnknown ? { ...input, choices: /** @type {any} */ ([true, false]), unchosen: "Default" } : input;
  });
}

/**
 * The fields of a new row in a relation: without those that refer to its parent, and its relations.
 *
 * @param {import("./types.js").Relation} relation
 * @param {JSONSchema} schema The schema of the new row.
 * @param {Table | null} target The table of the relation; null if Studio has none.
 * @returns {Input[]}
 */
export function childInputs(relation, schema, target) {
  const joined = new Set(relation.pairs.map(([, there]) => there));
  const relations = new Set(target?.relations.map((each) => each.name));
  return newRowInputs(schema, target).filter(
    (input) => !joined.has(input.field?.name ?? input.name) && !relations.has(input.name),
  );
}

/** @type {any} */
const noTable = { fields: [] };

/**
 * @param {JSONSchema} property
 * @param {string} name
 * @param {Table | null} table
 * @param {Field | null} field
 */
function titleOf(property, name, table, field) {
  if (property.title && !isDerived(property.title, name)) return property.title;
  return table && field ? fieldTitle(table, field) : words(name);
}

/**
 * Whether Pydantic made a title of the name.
 *
 * @param {string} title
 * @param {string} name
 */
function isDerived(title, name) {
  return title.toLowerCase().replace(/\s+/g, "_") === name.toLowerCase();
}

/**
 * @param {JSONSchema} schema
 * @param {JSONSchema} root
 * @returns {JSONSchema}
 */
function resolve(schema, root) {
  if (typeof schema.$ref !== "string") return schema;
  const name = schema.$ref.split("/").pop() ?? "";
  return { ...root.$defs?.[name], ...schema, $ref: undefined };
}

/**
 * @param {JSONSchema} schema
 * @param {JSONSchema} root
 * @returns {JSONSchema}
 */
function withoutNull(schema, root) {
  const alternatives = schema.anyOf;
  if (!Array.isArray(alternatives)) return schema;
  const others = alternatives.filter((each) => each.type !== "null");
  if (others.length === alternatives.length) return schema;
  if (others.length === 1) return { ...resolve(others[0], root), title: schema.title };
  return { ...schema, anyOf: others };
}

/** @param {JSONSchema} schema */
function choicesOf(schema) {
  if (Array.isArray(schema.enum)) return schema.enum;
  return schema.const === undefined ? null : [schema.const];
}

/** @type {{[format: string]: string}} */
const FORMATS = {
  "date-time": "datetime",
  date: "date",
  time: "time",
  duration: "timedelta",
  uuid: "uuid",
  binary: "bytes",
  base64: "bytes",
};

/** @param {JSONSchema} schema */
function kindOf(schema) {
  if (choicesOf(schema)) return "literal";
  if (typeof schema.format === "string" && FORMATS[schema.format]) return FORMATS[schema.format] ?? "text";
  if (schema.type === "string") return "text";
  if (schema.type === "integer" || schema.type === "boolean") return schema.type;
  if (schema.type === "number") return "float";
  const types = (schema.anyOf ?? []).map((/** @type {JSONSchema} */ each) => each.type);
  if (types.includes("number") && types.includes("string")) return "decimal";
  return types.includes("string") ? "text" : "json";
}
