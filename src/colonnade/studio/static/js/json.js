/**
 * JSON without loss: integers beyond 2^53 are read as BigInt, other numbers with more digits than
 * JavaScript keeps as `ExactNumber`, and both are written as numbers.
 */

/** A number that JavaScript would round, as it was written. */
export class ExactNumber {
  /** @param {string} source */
  constructor(source) {
    this.source = source;
  }

  toString() {
    return this.source;
  }
}

const KEPT_DIGITS = 15;

/**
 * @param {string} text
 * @returns {any}
 */
export function parseJSON(text) {
  return JSON.parse(text, exactly);
}

/**
 * @this {any}
 * @param {string} _key
 * @param {any} value
 * @param {{source?: string}} [context] The text of the number: a proposal that browsers implement.
 */
function exactly(_key, value, context) {
  const source = context?.source;
  if (typeof value !== "number" || Number.isSafeInteger(value) || source === undefined) return value;
  if (/^-?\d+$/.test(source)) return BigInt(source);
  const digits = source.replace(/e.*$/i, "").replace(/\D/g, "").replace(/^0+|0+$/g, "");
  const isKept = Number.isFinite(value) && (digits.length <= KEPT_DIGITS || String(value) === source);
  return isKept ? value : new ExactNumber(source);
}

/**
 * @param {any} value
 * @param {number} [indent]
 * @returns {string}
 */
export function stringifyJSON(value, indent) {
  const raw = /** @type {{rawJSON?: (text: string) => unknown}} */ (JSON).rawJSON;
  return JSON.stringify(
    value,
    (_key, each) => {
      if (typeof each !== "bigint" && !(each instanceof ExactNumber)) return each;
      return raw ? raw(each.toString()) : each.toString();
    },
    indent,
  );
}

/**
 * Whether two values have the same JSON.
 *
 * @param {any} first
 * @param {any} second
 */
export function sameJSON(first, second) {
  return stringifyJSON(first ?? null) === stringifyJSON(second ?? null);
}
