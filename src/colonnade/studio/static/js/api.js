/**
 * Requests to Studio's routes, which call the Resources.
 */
import { parseJSON, stringifyJSON } from "./json.js";

const BASE = document.documentElement.dataset.base ?? "/";
const TOKEN = `studio-token:${BASE}`;

/** @typedef {{loc?: (string | number)[], field?: string, message: string}} ProblemEntry */

/**
 * A request that was not answered with success.
 */
export class RequestError extends Error {
  /**
   * @param {string} message
   * @param {number} status 0 if the server did not answer.
   * @param {ProblemEntry[]} [errors]
   */
  constructor(message, status, errors = []) {
    super(message);
    this.status = status;
    this.errors = errors;
  }

  /** Whether the request lacks a session or a token. */
  get needsSignIn() {
    return this.status === 401;
  }
}

/**
 * @typedef {object} Answer
 * @property {any} data
 * @property {number} status
 * @property {Headers} headers
 * @property {number} milliseconds How long it took, network included.
 * @property {number | null} serverMilliseconds How long the API took.
 */

/** What every request needs: the token for writes, and that of the user. */
export const session = {
  csrf: "",
  get bearer() {
    return sessionStorage.getItem(TOKEN) ?? "";
  },
  set bearer(value) {
    if (value) sessionStorage.setItem(TOKEN, value);
    else sessionStorage.removeItem(TOKEN);
  },
};

/** @type {() => Promise<void>} */
let renew = async () => {};

/**
 * Set what fetches a new token for writes.
 *
 * @param {() => Promise<void>} work
 */
export function onExpiredToken(work) {
  renew = work;
}

/**
 * Send a request.
 *
 * @param {string} method
 * @param {string} path Below the API of Studio, such as `data/tasks/1`.
 * @param {{body?: any, headers?: {[name: string]: string}, signal?: AbortSignal}} [options]
 * @returns {Promise<Answer>}
 */
export async function send(method, path, options = {}) {
  const answer = await sendOnce(method, path, withIdempotencyKey(method, path, options));
  if (answer instanceof RequestError && answer.status === 403 && /CSRF/.test(answer.message)) {
    await renew();
    const again = await sendOnce(method, path, options);
    if (!(again instanceof RequestError)) return again;
    throw again;
  }
  if (answer instanceof RequestError) throw answer;
  return answer;
}

/**
 * The keys of POSTs that were not answered, by what they send.
 *
 * @type {Map<string, string>}
 */
const unanswered = new Map();

/**
 * Give a POST a key: sent again without an answer, it creates nothing twice if the Resource has an
 * `idempotency` table.
 *
 * @param {string} method
 * @param {string} path
 * @param {{body?: any, headers?: {[name: string]: string}, signal?: AbortSignal}} options
 */
function withIdempotencyKey(method, path, options) {
  if (method !== "POST") return options;
  const content = `${path} ${stringifyJSON(options.body ?? null)}`;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const key = unanswered.get(content) ?? [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  unanswered.set(content, key);
  return { ...options, headers: { ...options.headers, "Idempotency-Key": key }, answered: () => unanswered.delete(content) };
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{body?: any, headers?: {[name: string]: string}, signal?: AbortSignal, answered?: () => void}} options
 * @returns {Promise<Answer | RequestError>}
 */
async function sendOnce(method, path, { body, headers = {}, signal, answered = () => {} }) {
  const started = performance.now();
  /** @type {Response} */
  let response;
  let text = "";
  try {
    response = await fetch(`${BASE}api/${path}`, {
      method,
      signal: signal ?? null,
      redirect: "manual",
      credentials: "same-origin",
      headers: { Accept: "application/json", ...requestHeaders(method, body), ...headers },
      body: body === undefined ? null : stringifyJSON(body),
    });
    text = await response.text();
    answered();
  } catch (error) {
    if (signal?.aborted) throw error;
    const unknown = method === "GET" ? "" : " It is not known whether the change was saved.";
    return new RequestError(`The server is not responding.${unknown} Check that it is running, then try again.`, 0);
  }
  if (response.type === "opaqueredirect") {
    return new RequestError("The application requires you to sign in.", 401);
  }
  const data = read(text, response.headers.get("content-type") ?? "");
  if (!response.ok) return errorOf(response.status, data);
  return {
    data,
    status: response.status,
    headers: response.headers,
    milliseconds: performance.now() - started,
    serverMilliseconds: serverTime(response.headers),
  };
}

/**
 * @param {string} method
 * @param {any} body
 */
function requestHeaders(method, body) {
  /** @type {{[name: string]: string}} */
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") headers["X-Studio-CSRF"] = session.csrf;
  if (session.bearer) headers.Authorization = `Bearer ${session.bearer}`;
  return headers;
}

/**
 * @param {string} text
 * @param {string} type
 */
function read(text, type) {
  if (!/json/.test(type)) return text;
  try {
    return text === "" ? null : parseJSON(text);
  } catch {
    return text;
  }
}

/**
 * @param {number} status
 * @param {any} data
 */
function errorOf(status, data) {
  const detail = data?.detail;
  if (Array.isArray(detail)) {
    // FastAPI's own form of validation errors.
    const errors = detail.map((entry) => ({ loc: entry.loc, message: entry.msg }));
    return new RequestError("The request is not valid.", status, errors);
  }
  const message = typeof detail === "string" && detail ? detail : `The server responded with status ${status}.`;
  return new RequestError(message, status, data?.errors ?? []);
}

/** @param {Headers} headers */
function serverTime(headers) {
  const match = /api;dur=([\d.]+)/.exec(headers.get("server-timing") ?? "");
  return match ? Number(match[1]) : null;
}

/**
 * The query of a page in a Link header, without the question mark.
 *
 * @param {Headers} headers
 * @param {"next" | "prev" | "first"} relation
 */
export function linkedQuery(headers, relation) {
  for (const part of (headers.get("link") ?? "").split(/,\s*(?=<)/)) {
    const match = /^<([^>]*)>.*;\s*rel="?([a-z]+)"?/.exec(part);
    if (match?.[2] === relation) return match[1]?.split("?")[1] ?? "";
  }
  return null;
}
