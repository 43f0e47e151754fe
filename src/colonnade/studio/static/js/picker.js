/**
 * Chooses a row of another table by typing: a combobox after the pattern of the ARIA guide.
 */
import { send } from "./api.js";
import { can, keyOf, keySegment, labelField, labelOf, nounOf, searchFields, titleOf } from "./catalog.js";
import { button, debounced, el, fill, uniqueId } from "./dom.js";
import { InvalidInput } from "./editor.js";
import { sameJSON } from "./json.js";
import { searchConditions } from "./query.js";
import { rowsOf } from "./rows.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Row} Row */

const SHOWN = 20;

/**
 * Make a picker, whose value is the key of a row: a list if the key has several columns.
 *
 * @param {Table} table The table of the rows to choose.
 * @param {boolean} canClear
 * @param {() => string[][]} [filters] Returns the parameters of the list that restrict it.
 * @returns {import("./editor.js").Editor & {known: (row: Row) => void, label: () => string}}
 */
export function createPicker(table, canClear, filters = () => []) {
  const listId = uniqueId("options");
  const isComposite = table.key.length > 1;
  const keyValue = (/** @type {Row} */ row) => (isComposite ? table.key.map((name) => row[name]) : row[table.key[0] ?? ""]);
  /** @type {any} */
  let value;
  /** @type {Row[]} */
  let options = [];
  let active = -1;
  /** Whether the options of what was typed are not known yet. */
  let isTyping = false;
  /** Whether Enter waits for them. */
  let isAwaited = false;
  /** @type {AbortController | null} */
  let pending = null;

  const list = el("ul", { id: listId, role: "listbox", class: "options", hidden: true, "aria-label": titleOf(table) });
  const status = el("span", { class: "visually-hidden", role: "status" });
  const control = el("input", {
    type: "text",
    role: "combobox",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: `Find ${nounOf(table)}\u2026`,
    "aria-expanded": "false",
    "aria-autocomplete": "list",
    "aria-controls": listId,
    oninput: () => {
      // Options of an older text are none of this one.
      options = [];
      isTyping = true;
      search();
    },
    onfocus: () => control.select(),
    onblur: () => setTimeout(leave, 150),
    onkeydown: (/** @type {KeyboardEvent} */ event) => onKey(event),
  });
  const clear = button("\u00d7", () => choose(null), {
    class: "icon-button",
    "aria-label": "Clear the selection",
    hidden: true,
  });

  const search = debounced(async () => {
    pending?.abort();
    pending = new AbortController();
    const query = new URLSearchParams([["limit", String(SHOWN)], ...filters()]);
    const text = control.value.trim();
    if (text !== "" && searchFields(table).length > 0) query.set("where", searchConditions(table, text));
    const label = labelField(table);
    if (label !== null) query.set("fields", [...new Set([...table.key, label])].join(","));
    try {
      const answer = await send("GET", `data/${table.id}?${query}`, { signal: pending.signal });
      options = rowsOf(table, answer.data);
      if (searchFields(table).length === 0 && text !== "") options = options.filter((row) => keyOf(table, row).includes(text));
      isTyping = false;
      open(options.length === 0 ? "No matches." : "");
      if (isAwaited) pickOnly();
    } catch (error) {
      if (error instanceof DOMException) return;
      options = [];
      isTyping = false;
      open(error instanceof Error ? error.message : "The search failed.");
    }
  }, 150);

  function open(/** @type {string} */ message) {
    active = -1;
    fill(
      list,
      message !== "" && el("li", { class: "hint", role: "option", "aria-disabled": "true" }, message),
      options.map((row, index) =>
        el(
          "li",
          { id: `${listId}-${index}`, role: "option", "aria-selected": "false", onmousedown: () => choose(row) },
          el("span", {}, labelOf(table, row)),
          el("span", { class: "hint" }, ` ${table.key.map((name) => row[name]).join(", ")}`),
        ),
      ),
    );
    list.hidden = false;
    control.setAttribute("aria-expanded", "true");
    status.textContent = message || `${options.length} found`;
  }

  function hide() {
    isAwaited = false;
    list.hidden = true;
    control.setAttribute("aria-expanded", "false");
    control.removeAttribute("aria-activedescendant");
  }

  function close() {
    hide();
    control.value = shown;
  }

  /** Keep a text that matches no row: `read` refuses it, instead of saving the previous row. */
  function leave() {
    hide();
    if (control.value.trim() !== "") return;
    if (shown !== "" && canClear) choose(null);
    else control.value = shown;
  }

  function onKey(/** @type {KeyboardEvent} */ event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) search();
      else move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && (isTyping || !list.hidden)) {
      event.preventDefault();
      if (isTyping) isAwaited = true;
      else pickOnly();
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  }

  /** Choose the active option, or the only one. */
  function pickOnly() {
    isAwaited = false;
    const row = options[active] ?? (options.length === 1 ? options[0] : undefined);
    if (row) choose(row);
  }

  function move(/** @type {number} */ by) {
    const items = [...list.querySelectorAll("[aria-selected]")];
    if (items.length === 0) return;
    items[active]?.setAttribute("aria-selected", "false");
    active = (active + by + items.length) % items.length;
    items[active]?.setAttribute("aria-selected", "true");
    items[active]?.scrollIntoView({ block: "nearest" });
    control.setAttribute("aria-activedescendant", `${listId}-${active}`);
  }

  let shown = "";

  function display(/** @type {string} */ text) {
    shown = text;
    control.value = text;
    clear.hidden = !canClear || text === "";
  }

  function choose(/** @type {Row | null} */ row) {
    value = row === null ? null : keyValue(row);
    display(row === null ? "" : labelOf(table, row));
    hide();
    control.dispatchEvent(new Event("change", { bubbles: true }));
  }

  async function loadLabel() {
    const wanted = value;
    if (!can(table, "read")) return;
    try {
      const answer = await send("GET", `data/${table.id}/${keySegment(isComposite ? wanted : [wanted])}`);
      // A label that arrives late does not replace what is typed meanwhile.
      if (value === wanted && control.value === shown) display(labelOf(table, answer.data));
    } catch {
      // The key stays: the row is out of reach, or has gone.
    }
  }

  return {
    element: el("span", { class: "picker" }, control, clear, list, status),
    control,
    read() {
      if (control.value.trim() === "" && shown !== "") return canClear ? null : undefined;
      if (control.value !== shown) throw new InvalidInput("Choose a row from the list.");
      return value;
    },
    write(each) {
      value = each;
      display(each === null || each === undefined ? "" : [each].flat().join(", "));
      if (each !== null && each !== undefined) loadLabel();
    },
    known(row) {
      if (sameJSON(keyValue(row), value)) display(labelOf(table, row));
    },
    label: () => shown,
  };
}
