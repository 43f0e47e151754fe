/**
 * Dialogs: questions, and forms that are filled in before something happens.
 */
import { session } from "./api.js";
import { button, el, fill, uniqueId } from "./dom.js";

/**
 * Open a modal dialog. It is closed by Escape, and removed then.
 *
 * @param {string} title
 * @param {(Node | string | null | false)[]} content
 * @param {{wide?: boolean, canClose?: () => Promise<boolean>}} [options] `canClose` may refuse that
 *   Escape or the cross closes it.
 */
export function openDialog(title, content, { wide = false, canClose } = {}) {
  const id = uniqueId("dialog");
  const tryToClose = async () => {
    if (!canClose || (await canClose())) dialog.close();
  };
  const dialog = el(
    "dialog",
    {
      class: wide ? "wide" : null,
      "aria-labelledby": id,
      onclose: () => dialog.remove(),
      oncancel: (/** @type {Event} */ event) => {
        event.preventDefault();
        tryToClose();
      },
    },
    el(
      "header",
      {},
      el("h2", { id }, title),
      button("\u00d7", tryToClose, { class: "icon-button", "aria-label": "Close" }),
    ),
    ...content.filter((part) => part !== null && part !== false),
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * A button that closes the dialog in which it is, as Escape does.
 *
 * @param {string} [label]
 */
export function closeButton(label = "Cancel") {
  return button(label, (event) => {
    const dialog = event.target instanceof Element ? event.target.closest("dialog") : null;
    dialog?.dispatchEvent(new Event("cancel", { cancelable: true }));
  });
}

/**
 * What asks before a dialog with a form is closed, if something was typed into it.
 *
 * @param {() => boolean} isChanged
 */
export function unlessTyped(isChanged) {
  return async () =>
    !isChanged() ||
    ask("Close without saving?", "Close", { detail: "Your changes will be lost.", danger: true, cancel: "Keep editing" });
}

/**
 * Ask a question.
 *
 * @param {string} question
 * @param {string} confirm What the button says.
 * @param {{detail?: string, danger?: boolean, cancel?: string}} [options]
 * @returns {Promise<boolean>}
 */
export function ask(question, confirm, { detail = "", danger = false, cancel = "Cancel" } = {}) {
  return new Promise((resolve) => {
    let answer = false;
    const yes = button(
      confirm,
      () => {
        answer = true;
        dialog.close();
      },
      { class: danger ? "button danger" : "button primary" },
    );
    const dialog = openDialog(question, [
      detail !== "" && el("p", {}, detail),
      el("footer", {}, button(cancel, () => dialog.close()), yes),
    ]);
    dialog.addEventListener("close", () => resolve(answer));
    yes.focus();
  });
}

/** @type {Promise<boolean> | null} */
let signingIn = null;

/**
 * Ask the user to sign in: in the application, or with a token. Forms stay as they are.
 *
 * @param {string} message
 * @returns {Promise<boolean>} Whether to try again.
 */
export function signIn(message) {
  signingIn ??= askForToken(message).finally(() => {
    signingIn = null;
  });
  return signingIn;
}

/**
 * @param {string} message
 * @returns {Promise<boolean>}
 */
function askForToken(message) {
  return new Promise((resolve) => {
    let answer = false;
    const id = uniqueId("token");
    const input = el("input", { id, type: "password", autocomplete: "off", spellcheck: "false" });
    const again = () => {
      answer = true;
      if (input.value.trim()) session.bearer = input.value.trim().replace(/^bearer\s+/i, "");
      dialog.close();
    };
    const form = el(
      "form",
      {
        method: "dialog",
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          again();
        },
      },
      el("p", {}, message),
      el(
        "p",
        { class: "hint" },
        "Sign in to the application in another tab, or enter a bearer token, which is kept until you close this tab.",
        document.querySelector("[data-unsaved]") !== null && " Your input is kept.",
      ),
      el("label", { for: id }, "Bearer token"),
      input,
      el("footer", {}, button("Cancel", () => dialog.close()), el("button", { class: "button primary" }, "Sign in")),
    );
    const dialog = openDialog("Sign in", [form]);
    dialog.addEventListener("close", () => resolve(answer));
    input.focus();
  });
}

/**
 * A message about what went wrong, for a place on the page.
 *
 * @param {Error} error
 * @param {(() => void) | null} [retry]
 */
export function failure(error, retry = null) {
  const box = el("div", { class: "failure", role: "alert" });
  fill(box, el("p", {}, error.message), retry !== null && button("Try again", retry));
  return box;
}
