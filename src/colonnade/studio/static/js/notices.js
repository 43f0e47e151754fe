/**
 * Short messages in a corner, which screen readers announce.
 */
import { button, el } from "./dom.js";

const SHOWN = 10_000;

class Notices extends HTMLElement {
  connectedCallback() {
    this.setAttribute("role", "status");
    this.setAttribute("aria-live", "polite");
  }
}
customElements.define("studio-notices", Notices);

/**
 * Show a message.
 *
 * @param {string} text
 * @param {{kind?: "done" | "error", action?: string, onAction?: () => void}} [options] A message
 *   with an action stays longer, and an error stays until it is closed.
 */
export function notify(text, { kind = "done", action, onAction } = {}) {
  const notice = el("div", { class: `notice ${kind}` }, el("span", {}, text));
  const close = () => notice.remove();
  if (action) {
    notice.append(
      button(action, () => {
        close();
        onAction?.();
      }),
    );
  }
  notice.append(button("\u00d7", close, { class: "icon-button", "aria-label": "Dismiss" }));
  document.querySelector("studio-notices")?.append(notice);
  if (kind !== "error") setTimeout(close, action ? 3 * SHOWN : SHOWN);
}
