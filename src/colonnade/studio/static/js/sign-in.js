/**
 * Asks for a sign-in when a session has ended, and then goes on.
 */
import { RequestError } from "./api.js";
import { loadCatalog } from "./catalog.js";
import { signIn } from "./dialogs.js";

/**
 * Do something, and again after a sign-in if the session has ended.
 *
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withSignIn(work) {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof RequestError) || !error.needsSignIn) throw error;
      if (!(await signIn(error.message))) throw error;
      // Another user may see other tables, and writes need a new token.
      await loadCatalog().catch(() => {});
    }
  }
}
