/**
 * The filter builder: it reads and writes the filters in the URL.
 */
import { fieldTitle } from "./catalog.js";
import { openDialog } from "./dialogs.js";
import { button, el, fill, uniqueId } from "./dom.js";
import { OPERATOR_WORDS, filtersOf } from "./query.js";
import { localInput, shortText, timeZone } from "./values.js";

/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Field} Field */
/** @typedef {import("./query.js").Filter} Filter */

/**
 * The filters of a page as chips that can be removed.
 *
 * @param {Table} table
 * @param {URLSearchParams} query
 * @param {(filters: [string, string][]) => void} change
 */
export function filterChips(table, query, change) {
  const filters = filtersOf(table, query);
  if (filters.length === 0) return null;
  return el(
    "ul",
    { class: "chips", "aria-label": "Filters" },
    filters.map((filter, index) => {
      const text = describeFilter(table, filter);
      const others = filters.filter((_, other) => other !== index);
      const remove = () => change(others.map(({ name, value }) => [name, value]));
      const label = `Remove the filter: ${text}`;
      const cross = button("\u00d7", remove, { class: "icon-button", "aria-label": label });
      return el("li", { class: "chip" }, el("span", {}, text), cross);
    }),
  );
}

/**
 * @param {Table} table
 * @param {Filter} filter
 */
function describeFilter(table, { field, operator, name, value }) {
  const shown = shortText(value);
  if (field === null) return `${name} = ${shown}`;
  if (operator === "is_null") {
    return `${fieldTitle(table, field)} ${value === "true" ? "is null" : "is not null"}`;
  }
  return `${fieldTitle(table, field)} ${OPERATOR_WORDS[operator] ?? operator} ${shown}`;
}

/**
 * Open the filter builder.
 *
 * @param {Table} table
 * @param {URLSearchParams} query
 * @param {(filters: [string, string][]) => void} change
 */
export function openFilters(table, query, change) {
  const others = filtersOf(table, query).filter((filter) => filter.field === null);
  const rows = el("div", { class: "filter-rows" });
  /** @type {FilterRow[]} */
  const editors = [];
  const add = (/** @type {Filter | null} */ filter) => {
    const editor = new FilterRow(table, filter, () => {
      editors.splice(editors.indexOf(editor), 1);
      editor.element.remove();
    });
    editors.push(editor);
    rows.append(editor.element);
    return editor;
  };
  for (const filter of filtersOf(table, query)) if (filter.field !== null) add(filter);
  if (editors.length === 0) add(null);
  const apply = (/** @type {Event} */ event) => {
    event.preventDefault();
    const filters = editors.flatMap((editor) => editor.read());
    change([...filters, ...others.map(({ name, value }) => /** @type {[string, string]} */ ([name, value]))]);
    dialog.close();
  };
  const form = el(
    "form",
    { onsubmit: apply },
    el("p", { class: "hint" }, "Shows the rows that match all filters."),
    rows,
    button("Add a filter", () => add(null).focus()),
    el(
      "footer",
      {},
      button("Remove all", () => {
        change([]);
        dialog.close();
      }),
      el("button", { class: "button primary" }, "Apply"),
    ),
  );
  const dialog = openDialog("Filter", [form], { wide: true });
  editors[0]?.focus();
}

/** One filter in the builder. */
class FilterRow {
  /**
   * @param {Table} table
   * @param {Filter | null} filter
   * @param {() => void} remove
   */
  constructor(table, filter, remove) {
    const fields = table.fields.filter((field) => Object.keys(field.filters).length > 0);
    this.fields = fields;
    this.field = el(
      "select",
      { "aria-label": "Field", onchange: () => this.showOperators() },
      fields.map((field) => el("option", { value: field.name }, fieldTitle(table, field))),
    );
    this.operator = el("select", { "aria-label": "Comparison", onchange: () => this.showValue() });
    this.value = el("span", { class: "filter-value" });
    /** @type {() => string} */
    this.readValue = () => "";
    this.element = el(
      "div",
      { class: "filter-row" },
      this.field,
      this.operator,
      this.value,
      button("\u00d7", remove, { class: "icon-button", "aria-label": "Remove this filter" }),
    );
    if (filter?.field) this.field.value = filter.field.name;
    this.showOperators(filter?.operator, filter?.value);
  }

  get chosen() {
    return this.fields.find((field) => field.name === this.field.value) ?? null;
  }

  focus() {
    this.field.focus();
  }

  /**
   * @param {string} [operator]
   * @param {string} [value]
   */
  showOperators(operator, value) {
    const operators = Object.keys(this.chosen?.filters ?? {});
    fill(
      this.operator,
      operators.map((name) => el("option", { value: name }, OPERATOR_WORDS[name] ?? name)),
    );
    const usual = operators.includes("icontains") ? "icontains" : operators[0];
    this.operator.value = operator ?? usual ?? "";
    this.showValue(value);
  }

  /** @param {string} [value] */
  showValue(value) {
    const editor = valueEditor(this.chosen, this.operator.value, value);
    this.readValue = editor.read;
    fill(this.value, editor.element);
  }

  /** @returns {[string, string][]} */
  read() {
    const parameter = this.chosen?.filters[this.operator.value];
    const value = this.readValue();
    // An empty value is a filter for texts only: nothing else is empty.
    const isMissing = value === "" && this.chosen?.kind !== "text";
    return parameter === undefined || isMissing ? [] : [[parameter, value]];
  }
}

/**
 * The input for the value of a filter.
 *
 * @param {Field | null} field
 * @param {string} operator
 * @param {string} [value]
 * @returns {{element: HTMLElement, read: () => string}}
 */
function valueEditor(field, operator, value) {
  const label = { "aria-label": "Value" };
  const isList = operator === "in" || operator === "not_in";
  if (operator === "is_null" || (field?.kind === "boolean" && !isList)) {
    return select([["true", "yes"], ["false", "no"]], value ?? "true");
  }
  if (field?.choices && isList) {
    const chosen = new Set((value ?? "").split(","));
    const boxes = field.choices.map((choice) => {
      const id = uniqueId("choice");
      const box = el("input", { id, type: "checkbox", value: String(choice), checked: chosen.has(String(choice)) });
      return { box, element: el("label", { for: id, class: "check" }, box, String(choice)) };
    });
    const element = el("span", { class: "checks", role: "group", ...label }, boxes.map((each) => each.element));
    return { element, read: () => boxes.filter(({ box }) => box.checked).map(({ box }) => box.value).join(",") };
  }
  if (field?.choices) return select(field.choices.map((choice) => [String(choice), String(choice)]), value);
  if (field?.kind === "datetime" && !isList) return datetimeEditor(field, value);
  const type = field?.kind === "date" && !isList ? "date" : "text";
  const hint = isList ? "Separate values with commas" : null;
  const input = el("input", { ...label, type, value: value ?? "", placeholder: hint, autocomplete: "off" });
  return { element: input, read: () => input.value };
}

/**
 * @param {[string, string][]} options
 * @param {string} [value]
 */
function select(options, value) {
  const element = el(
    "select",
    { "aria-label": "Value" },
    options.map(([each, text]) => el("option", { value: each }, text)),
  );
  if (value !== undefined) element.value = value;
  return { element, read: () => element.value };
}

/**
 * @param {Field} field
 * @param {string} [value]
 */
function datetimeEditor(field, value) {
  const shown = value && field.is_aware ? localInput(new Date(value)) : (value ?? "");
  const input = el("input", { "aria-label": "Value", type: "datetime-local", step: "any", value: shown.slice(0, 16) });
  const zone = field.is_aware ? el("span", { class: "hint" }, timeZone()) : null;
  const written = input.value;
  const read = () => {
    // The input has minutes only: what is not changed stays as exact as it was.
    if (value !== undefined && input.value === written) return value;
    if (input.value === "" || !field.is_aware) return input.value;
    return new Date(input.value).toISOString();
  };
  return { element: el("span", {}, input, zone), read };
}
