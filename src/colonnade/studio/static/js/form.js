/**
 * A form for a request body.
 */
import { el, fill, uniqueId } from "./dom.js";
import { InvalidInput } from "./editor.js";
import { createEditor } from "./editors.js";
import { sameJSON } from "./json.js";
import { rowChoosers } from "./row-chooser.js";

/** @typedef {import("./schemas.js").Input} Input */
/** @typedef {import("./editor.js").Editor} Editor */
/** @typedef {import("./types.js").Table} Table */
/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./api.js").ProblemEntry} ProblemEntry */

export class Form extends HTMLElement {
  /**
   * @param {Input[]} inputs
   * @param {Table | null} table The table that the body writes.
   * @param {{onchange?: () => void}} [options]
   */
  constructor(inputs, table, { onchange } = {}) {
    super();
    this.parts = inputs.map((input) => new Part(input, createEditor(input, table)));
    this.alert = el("div", { class: "form-alert", role: "alert" });
    this.className = "fields";
    this.append(this.alert, ...this.parts.map((part) => part.element));
    this.choosers = rowChoosers(table, this.parts);
    const changed = () => onchange?.();
    this.addEventListener("input", changed);
    this.addEventListener("change", changed);
  }

  /**
   * Show values, by the names in the body; of what the body lacks, by the names in responses.
   *
   * @param {Row} values
   */
  write(values) {
    for (const part of this.parts) part.write(values[part.input.name]);
    for (const chooser of this.choosers) chooser.write(values);
  }

  /**
   * The values that differ from those that were shown.
   *
   * @returns {Row | null} Null if a value is not valid; its message is shown then.
   */
  changes() {
    return this.#read((part, value) => {
      if (value === undefined && part.hadValue) throw new InvalidInput("Enter a value.");
      return value !== undefined && part.isChanged;
    }, true);
  }

  /**
   * All values, also those that were not changed: a PUT replaces what it does not have.
   *
   * @returns {Row | null} As `changes`.
   */
  all() {
    return this.#read((_part, value) => value !== undefined);
  }

  /**
   * All values of a new row; what was not entered is left to the server.
   *
   * @returns {Row | null} As `changes`.
   */
  values() {
    return this.#read((part, value) => {
      if (value === undefined && part.input.required) throw new InvalidInput("Enter a value.");
      return value !== undefined && (part.input.required || part.isChanged);
    });
  }

  /**
   * @param {(part: Part, value: any) => boolean} isSent
   * @param {boolean} [onlyTouched]
   * @returns {Row | null}
   */
  #read(isSent, onlyTouched = false) {
    /** @type {Row} */
    const body = {};
    /** @type {Part | null} */
    let first = null;
    this.clear();
    for (const part of this.parts) {
      if (onlyTouched && !part.isTouched) continue;
      try {
        const value = part.value;
        if (isSent(part, value)) body[part.input.name] = value;
      } catch (error) {
        if (!(error instanceof InvalidInput)) throw error;
        part.fail(error.message);
        first ??= part;
      }
    }
    first?.editor.control.focus();
    return first === null ? body : null;
  }

  /**
   * Show the values of a newer version of the row, and keep what was typed and not sent.
   *
   * @param {Row} values
   * @param {Row} [sent] What the newer version was made of.
   */
  rebase(values, sent = {}) {
    for (const part of this.parts) {
      const { name } = part.input;
      // What was typed while it was sent differs from what was sent, even if it is the old value.
      const isTyped = name in sent ? !part.isSame(sent[name]) : part.isChanged;
      if (isTyped) part.rebase(values[name]);
      else part.write(values[name]);
    }
    for (const chooser of this.choosers) chooser.write(values);
  }

  /** Whether something was typed that is not sent yet. */
  get isChanged() {
    return this.parts.some((part) => part.isChanged);
  }

  clear() {
    fill(this.alert);
    for (const part of this.parts) part.fail("");
  }

  /**
   * Show the errors of a response at their fields, and the others above the form.
   *
   * @param {string} message
   * @param {ProblemEntry[]} errors
   */
  fail(message, errors) {
    this.clear();
    const others = errors.filter((entry) => !this.#failPart(entry));
    const texts = errors.length === 0 || others.length > 0 ? [message, ...others.map((entry) => entry.message)] : [];
    fill(this.alert, [...new Set(texts)].map((text) => el("p", {}, text)));
    const invalid = this.parts.find((part) => part.message !== "");
    if (invalid) invalid.editor.control.focus();
    else this.alert.scrollIntoView({ block: "nearest" });
  }

  /**
   * @param {ProblemEntry} entry
   * @returns {boolean} Whether a field of the form has the error.
   */
  #failPart(entry) {
    const name = pathOf(entry)[0] ?? entry.field;
    const part = this.parts.find((each) => name === each.input.name || name === each.input.field?.name);
    part?.fail(entry.message);
    return part !== undefined;
  }
}

customElements.define("studio-form", Form);

/**
 * The path of an error in the body of a single row, also for a row of a batch.
 *
 * @param {ProblemEntry} entry
 * @returns {(string | number)[]}
 */
export function pathOf(entry) {
  const path = entry.loc?.[0] === "body" ? entry.loc.slice(1) : [];
  return typeof path[0] === "number" ? path.slice(1) : path;
}

/** A field of a form: its label, its input, its hint and its message. */
export class Part {
  /**
   * @param {Input} input
   * @param {Editor} editor
   */
  constructor(input, editor) {
    this.input = input;
    this.editor = editor;
    /**
     * The value that was written or entered, of which the editor may show a part only.
     *
     * @type {any}
     */
    this.exact = undefined;
    /** @type {any} */
    this.original = undefined;
    /**
     * The original as the editor reads it: the same value, spelled differently, is not a change.
     *
     * @type {any}
     */
    this.shown = undefined;
    /** Whether its value may differ: reading large values after each key would be slow. */
    this.isTouched = false;
    /** Whether the user has changed what the editor shows. */
    this.isTyped = false;
    this.message = "";
    const id = uniqueId("field");
    const hintId = `${id}-hint`;
    const messageId = `${id}-message`;
    editor.control.id = id;
    editor.control.setAttribute("aria-describedby", `${hintId} ${messageId}`);
    if (input.required) editor.control.setAttribute("aria-required", "true");
    this.error = el("p", { class: "error", id: messageId });
    const hints = [input.description, editor.hint ?? "", this.#defaultText()].filter((text) => text !== "");
    this.element = el(
      "div",
      { class: "field", "data-field": input.name },
      el(
        "span",
        { class: "field-title" },
        el("label", { for: id }, input.title),
        input.required && el("span", { class: "required", "aria-hidden": "true" }, "required"),
      ),
      editor.element,
      el("p", { class: "hint", id: hintId }, hints.map((text) => text.replace(/\.$/, "")).join(". ")),
      this.error,
    );
    const touch = () => {
      this.isTouched = true;
      this.isTyped = true;
    };
    this.element.addEventListener("input", touch);
    this.element.addEventListener("change", touch);
  }

  #defaultText() {
    const { initial } = this.input;
    if (initial === undefined || initial === null || initial === "" || typeof initial === "object") return "";
    return `Default: ${initial}`;
  }

  /** @param {any} value */
  write(value) {
    this.isTouched = false;
    this.isTyped = false;
    this.exact = value;
    this.editor.write(value);
    this.rebase(value);
    try {
      this.shown = this.editor.read();
    } catch {
      this.shown = value;
    }
  }

  /**
   * Compare with another value from now on.
   *
   * @param {any} value
   */
  rebase(value) {
    this.original = value;
    this.shown = value;
  }

  /**
   * Enter a value, as if it had been typed.
   *
   * @param {any} value
   */
  enter(value) {
    this.editor.write(value);
    this.exact = value;
    this.isTouched = true;
    this.isTyped = false;
  }

  /**
   * The value for the body: what was written as it was, until the user changes it.
   *
   * @returns {any} Undefined for none.
   * @throws InvalidInput
   */
  get value() {
    if (this.isTyped) return this.editor.read();
    if (this.exact !== undefined || !this.input.required) return this.exact;
    return this.input.nullable ? null : this.editor.read();
  }

  get hadValue() {
    return this.original !== undefined && this.original !== null;
  }

  get isChanged() {
    return this.isTouched && !this.isSame(this.isTyped ? this.shown : this.original);
  }

  /**
   * Whether a value is that of the field.
   *
   * @param {any} value
   */
  isSame(value) {
    try {
      return sameJSON(this.value, value);
    } catch {
      return false;
    }
  }

  /** @param {string} message Empty to remove it. */
  fail(message) {
    this.message = message;
    this.error.textContent = message;
    if (message) this.editor.control.setAttribute("aria-invalid", "true");
    else this.editor.control.removeAttribute("aria-invalid");
    this.element.classList.toggle("invalid", message !== "");
  }
}

/**
 * The buttons of a form.
 *
 * @param {string} label What the main button says.
 * @param {...(Node | null)} others
 */
export function formFooter(label, ...others) {
  const submit = el("button", { class: "button primary", type: "submit" }, label);
  return { element: el("footer", {}, submit, others), submit };
}

/**
 * Disable a button while something is done.
 *
 * @param {HTMLButtonElement} submit
 * @param {() => Promise<void>} work
 */
export async function busy(submit, work) {
  // A key saves even while the button is disabled.
  if (submit.getAttribute("aria-busy") === "true") return;
  submit.disabled = true;
  submit.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    submit.disabled = false;
    submit.removeAttribute("aria-busy");
  }
}

