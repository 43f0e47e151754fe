/**
 * Makes elements. Texts become text nodes and attributes, never markup, so that nothing in a row
 * can be executed.
 */

/** @typedef {Node | string | number | null | undefined | false} Child */

const PROPERTIES = new Set([
  "checked", "disabled", "hidden", "indeterminate", "multiple", "open", "readOnly", "required",
  "selected", "value",
]);

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {{[attribute: string]: any}} [attributes] `onclick` and the like are listeners; those that
 *   are null, undefined or false are left out.
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  element.append(...nodes(children));
  set(element, attributes);
  return element;
}

/**
 * Set attributes, properties and listeners of an element: see `el`.
 *
 * @param {HTMLElement} element
 * @param {{[attribute: string]: any}} attributes
 */
export function set(element, attributes) {
  for (const [key, value] of Object.entries(attributes)) setAttribute(element, key, value);
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  /** @type {(Node | string)[]} */
  const result = [];
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    result.push(child instanceof Node ? child : String(child));
  }
  return result;
}

/**
 * @param {HTMLElement} element
 * @param {string} key
 * @param {any} value
 */
function setAttribute(element, key, value) {
  if (key.startsWith("on")) {
    element.addEventListener(key.slice(2), value);
  } else if (PROPERTIES.has(key)) {
    if (value !== undefined) Reflect.set(element, key, value);
  } else if (value !== null && value !== undefined && value !== false) {
    element.setAttribute(key, value === true ? "" : String(value));
  }
}

/**
 * Replace what an element contains.
 *
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
}

let lastId = 0;

/**
 * A new id, for labels and descriptions.
 *
 * @param {string} name
 */
export function uniqueId(name) {
  lastId += 1;
  return `${name}-${lastId}`;
}

/**
 * A button, which does nothing while what it began is not done: a double click acts once.
 *
 * @param {string} label
 * @param {(event: MouseEvent) => void | Promise<void>} onclick
 * @param {{[attribute: string]: any}} [attributes]
 */
export function button(label, onclick, attributes = {}) {
  let isPending = false;
  const act = async (/** @type {MouseEvent} */ event) => {
    if (isPending) return;
    isPending = true;
    try {
      await onclick(event);
    } finally {
      isPending = false;
    }
  };
  return el("button", { type: "button", class: "button", onclick: act, ...attributes }, label);
}

/**
 * Call a function once its caller has paused.
 *
 * @param {() => void} work
 * @param {number} milliseconds
 */
export function debounced(work, milliseconds) {
  /** @type {number | undefined} */
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, milliseconds);
  };
}
