/**
 * The inputs of dates and times.
 */
import { el } from "./dom.js";
import { InvalidInput } from "./editor.js";
import { localInput, timeZone } from "./values.js";

/** @typedef {import("./schemas.js").Input} Input */
/** @typedef {import("./editor.js").Editor} Editor */

/**
 * Refuse a date or time of which a part is missing: its value is empty.
 *
 * @param {HTMLInputElement} control
 */
function requireComplete(control) {
  if (control.validity.badInput) throw new InvalidInput("Complete the value, or clear it.");
}

/**
 * @param {Input} input
 * @param {string} type
 * @returns {Editor}
 */
export function plainEditor(input, type) {
  const control = el("input", { type });
  return {
    element: control,
    control,
    read() {
      requireComplete(control);
      return control.value || (input.nullable ? null : undefined);
    },
    write(value) {
      // The input has milliseconds; what is not changed is not sent.
      control.value = String(value ?? "").slice(0, 12);
    },
  };
}

/**
 * @param {Input} input
 * @returns {Editor}
 */
export function timeEditor(input) {
  const editor = plainEditor(input, "time");
  editor.control.setAttribute("step", "any");
  return editor;
}

/**
 * @param {Input} input
 * @returns {Editor}
 */
export function datetimeEditor(input) {
  const control = el("input", { type: "datetime-local", step: "any" });
  const zone = el(
    "select",
    { "aria-label": `Time zone of ${input.title}` },
    el("option", { value: "local" }, timeZone()),
    el("option", { value: "utc" }, "UTC"),
  );
  const show = (/** @type {Date} */ date) => {
    control.value = zone.value === "utc" ? date.toISOString().slice(0, -1) : localInput(date);
  };
  const typed = () => new Date(zone.dataset.shown === "utc" ? `${control.value}Z` : control.value);
  zone.dataset.shown = "local";
  zone.addEventListener("change", () => {
    const date = typed();
    zone.dataset.shown = zone.value;
    if (!Number.isNaN(date.getTime())) show(date);
  });
  return {
    element: input.isAware ? el("span", { class: "joined" }, control, zone) : control,
    control,
    read() {
      requireComplete(control);
      if (control.value === "") return input.nullable ? null : undefined;
      return input.isAware ? typed().toISOString() : control.value;
    },
    write(value) {
      if (value === null || value === undefined) control.value = "";
      else if (input.isAware) show(new Date(value));
      else control.value = String(value).slice(0, 23);
    },
  };
}
