/**
 * The schema: its diagram, and what the database knows about each table.
 */
import { send } from "./api.js";
import { can, catalog, pageUrl, tableUrl, titleOf } from "./catalog.js";
import { Diagram } from "./diagram.js";
import { failure } from "./dialogs.js";
import { button, el, fill } from "./dom.js";
import { withSignIn } from "./sign-in.js";
import { sizeText } from "./values.js";

/** @typedef {import("./types.js").Table} Table */

/**
 * @param {Table | null} table
 * @param {string | undefined} id What the URL names, which may be no table.
 */
export function schemaPage(table, id) {
  if (table === null) return id === undefined ? overview() : el("section", { class: "empty" }, el("h1", {}, "Not found"));
  return tablePage(table);
}

/** The diagram of all tables. */
function overview() {
  const drift = el("div", { class: "drift", role: "status" });
  const compare = button("Compare with the database", () => compareSchema(compare, drift));
  return el(
    "section",
    { class: "schema-page" },
    el("header", { class: "page-header" }, el("h1", {}, "Schema"), catalog.canCompare && el("div", { class: "toolbar" }, compare)),
    drift,
    new Diagram(),
    el("h2", {}, "Tables"),
    el(
      "ul",
      { class: "table-list" },
      catalog.tables.map((table) => el("li", {}, el("a", { href: pageUrl(`schema/${table.id}`) }, titleOf(table)), el("span", { class: "hint" }, ` ${table.table}`))),
    ),
    catalog.leftOut.map((reason) => el("p", { class: "hint" }, `Left out: ${reason}`)),
  );
}

/**
 * @param {HTMLButtonElement} compare
 * @param {HTMLElement} area
 */
async function compareSchema(compare, area) {
  compare.disabled = true;
  fill(area, el("p", { class: "waiting" }, "Comparing\u2026"));
  try {
    const { data } = await withSignIn(() => send("GET", "drift"));
    if (!data.compared) fill(area, el("p", { class: "hint" }, "The tables were read from the database, so there is nothing to compare."));
    else if (data.differences.length === 0) fill(area, el("p", { class: "good" }, "The database matches the models."));
    else fill(area, el("ul", { class: "differences" }, data.differences.map((/** @type {string} */ text) => el("li", {}, text))));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    fill(area, failure(error, () => compareSchema(compare, area)));
  } finally {
    compare.disabled = false;
  }
}

/**
 * What the database knows about one table.
 *
 * @param {Table} table
 */
function tablePage(table) {
  const body = el("div", {}, el("p", { class: "waiting", role: "status" }, "Loading\u2026"));
  loadFacts(table, body);
  return el(
    "section",
    { class: "schema-page" },
    el(
      "header",
      { class: "page-header" },
      el("p", { class: "breadcrumb" }, el("a", { href: pageUrl("schema") }, "Schema")),
      el("h1", {}, titleOf(table)),
      el("div", { class: "toolbar" }, can(table, "list") && el("a", { class: "button", href: tableUrl(table) }, "Rows")),
    ),
    table.description && el("p", {}, table.description),
    body,
  );
}

/**
 * @param {Table} table
 * @param {HTMLElement} body
 */
async function loadFacts(table, body) {
  try {
    const { data } = await withSignIn(() => send("GET", `schema/${table.id}`));
    fill(body, data.exists ? facts(table, data) : el("p", { class: "failure" }, `The database has no table ${table.table}.`));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    fill(body, failure(error, () => loadFacts(table, body)));
  }
}

/**
 * @param {Table} table
 * @param {any} data
 */
function facts(table, data) {
  /** @type {[string, string][]} */
  const summary = [["Table", table.table], ["Path", table.url]];
  if (data.rows !== null) summary.push(["Rows", `about ${data.rows.toLocaleString("en")}`]);
  if (data.size !== null) summary.push(["Size", `${sizeText(data.size)} including indexes`]);
  if (data.migration !== null) summary.push(["Created by", data.migration]);
  return [
    el("dl", { class: "facts" }, summary.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)])),
    !data.is_open && el("p", { class: "hint" }, "The number of rows and the size are hidden, because a scope or role may hide rows or fields."),
    section("Columns", ["Name", "Type", "Null", "Default", "Key", "Comment"], data.columns.map((/** @type {any} */ column) => [
      column.name, column.type, column.nullable ? "yes" : "no", column.default ?? "", column.key, column.comment ?? "",
    ])),
    section("Constraints", ["Name", "Definition"], data.constraints),
    section("Indexes", ["Name", "Definition"], data.indexes),
    section("Relations", ["Name", "Kind", "To"], table.relations.map((relation) => [relation.name, relationKind(relation), relation.table])),
  ];
}

/** @param {import("./types.js").Relation} relation */
function relationKind(relation) {
  const kind = { one: "one row", many: "rows", many_to_many: "rows, through links", association: "links with fields" }[relation.kind];
  return relation.self_referential ? `${kind} of the same table` : kind;
}

/**
 * @param {string} title
 * @param {string[]} heads
 * @param {string[][]} rows
 */
function section(title, heads, rows) {
  if (rows.length === 0) return null;
  return el(
    "section",
    {},
    el("h2", {}, title),
    el(
      "div",
      { class: "grid-scroll", tabindex: "0", role: "region", "aria-label": title },
      el(
        "table",
        { class: "grid" },
        el("thead", {}, el("tr", {}, heads.map((text) => el("th", { scope: "col" }, text)))),
        el("tbody", {}, rows.map((row) => el("tr", {}, row.map((text) => el("td", {}, text))))),
      ),
    ),
  );
}
