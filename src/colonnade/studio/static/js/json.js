/**
 * JSON without loss: integers beyond 2^53 are read as BigInt, and written as numbers.
 */

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
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
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
      if (typeof each !== "bigint") return each;
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
