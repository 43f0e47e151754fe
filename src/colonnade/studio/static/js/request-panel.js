/**
 * The request for what the page shows, as curl, Python and TypeScript.
 */
import { send, session } from "./api.js";
import { catalog } from "./catalog.js";
import { failure, openDialog } from "./dialogs.js";
import { button, el, fill } from "./dom.js";
import { notify } from "./notices.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./api.js").Answer} Answer */

/**
 * Show a request.
 *
 * @param {Table} table
 * @param {string} below The path below that of the Resource, with the query.
 * @param {Answer | null} answer
 */
export function openRequest(table, below, answer) {
  const url = `${location.origin}${root()}${table.url}${below}`;
  const result = below.startsWith("?") ? "rows" : "row";
  const code = el("code", {});
  const pre = el("pre", { tabindex: "0" }, code);
  /** @type {[string, string][]} */
  const languages = [
    ["curl", curl(url)],
    ["Python", python(url, result)],
    ["TypeScript", typescript(url, result)],
  ];
  const tabs = languages.map(([name, text]) => {
    const tab = button(name, () => choose(tab, text), { class: "button tab", "aria-pressed": "false" });
    return { tab, text };
  });
  const choose = (/** @type {HTMLElement} */ chosen, /** @type {string} */ text) => {
    for (const { tab } of tabs) tab.setAttribute("aria-pressed", String(tab === chosen));
    fill(code, text);
  };
  const copy = button("Copy", async () => {
    await navigator.clipboard.writeText(code.textContent ?? "");
    notify("Copied.");
  });
  const sql = el("div", {});
  if (catalog.showsSQL) showSQL(sql, table, below);
  openDialog(
    "Request",
    [
      answer !== null && el("p", { class: "hint" }, timing(answer)),
      catalog.isLocal && el("p", { class: "hint" }, "This Studio only answers its page. Start the application, or `colonnade serve`, for the request."),
      session.bearer !== "" && el("p", { class: "hint" }, "Replace TOKEN with your bearer token."),
      !table.is_public && el("p", { class: "hint" }, "Only Studio serves this table. The API of the application does not include it."),
      el("div", { class: "tabs", role: "group", "aria-label": "Language" }, tabs.map(({ tab }) => tab), copy),
      pre,
      sql,
    ],
    { wide: true },
  );
  const [first] = tabs;
  if (first) choose(first.tab, first.text);
}

/**
 * Show the SQL of a list or a row, and the plan of the database.
 *
 * @param {HTMLElement} area
 * @param {Table} table
 * @param {string} below
 */
async function showSQL(area, table, below) {
  try {
    const { data } = await send("GET", `explain/${table.id}${below}`);
    const values = Object.entries(data.parameters).map(([name, value]) => `${name} = ${value}`);
    fill(
      area,
      el("h3", {}, "SQL"),
      el("pre", { tabindex: "0", class: "sql" }, data.sql),
      el("h3", {}, "Parameters"),
      el("pre", { tabindex: "0" }, values.join("\n")),
      el("h3", {}, "Query plan"),
      el("pre", { tabindex: "0" }, data.plan.join("\n")),
    );
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    fill(area, failure(error));
  }
}

/** @param {Answer} answer */
export function timing(answer) {
  const whole = `${answer.milliseconds.toFixed(0)} ms`;
  if (answer.serverMilliseconds === null) return `Loaded in ${whole}.`;
  return `Loaded in ${whole}, including ${answer.serverMilliseconds.toFixed(1)} ms in the API.`;
}

/** What the URL begins with if the application is mounted below another path. */
function root() {
  return document.documentElement.dataset.root ?? "";
}

/** @param {string} url */
function curl(url) {
  const header = session.bearer === "" ? "" : " -H 'Authorization: Bearer TOKEN'";
  return `curl '${url.replaceAll("'", "%27")}'${header}`;
}

/**
 * @param {string} url
 * @param {string} result The name of the variable with the response.
 */
function python(url, result) {
  const text = JSON.stringify(url);
  const headers = session.bearer === "" ? "" : ', headers={"Authorization": "Bearer TOKEN"}';
  return `import httpx\n\nresponse = httpx.get(${text}${headers})\nresponse.raise_for_status()\n${result} = response.json()`;
}

/**
 * @param {string} url
 * @param {string} result
 */
function typescript(url, result) {
  const text = JSON.stringify(url);
  const headers = session.bearer === "" ? "" : ', { headers: { Authorization: "Bearer TOKEN" } }';
  return `const response = await fetch(${text}${headers});\nif (!response.ok) throw new Error(await response.text());\nconst ${result} = await response.json();`;
}
