/**
 * The diagram on the page: as wide as the page at first, then larger or smaller.
 */
import { send } from "./api.js";
import { catalog, pageUrl, titleOf } from "./catalog.js";
import { failure } from "./dialogs.js";
import { button, el, fill } from "./dom.js";
import { navigate } from "./router.js";
import { withSignIn } from "./sign-in.js";

const STEP = 1.3;
const LARGEST = 2;

/** A diagram with the buttons that change its size. */
export class Diagram extends HTMLElement {
  constructor() {
    super();
    this.area = el(
      "div",
      { class: "diagram-area", tabindex: "0", role: "region", "aria-label": "Diagram" },
      el("p", { class: "waiting", role: "status" }, "Drawing\u2026"),
    );
    /** @type {SVGElement | null} */
    this.drawing = null;
    this.scale = 1;
    this.tools = el(
      "div",
      { class: "toolbar", role: "toolbar", "aria-label": "Zoom" },
      button("\u2212", () => this.#zoom(this.scale / STEP), { "aria-label": "Zoom out" }),
      button("+", () => this.#zoom(this.scale * STEP), { "aria-label": "Zoom in" }),
      button("Fit", () => this.#fit(), { title: "Fit to the width of the page" }),
      button("1:1", () => this.#zoom(1), { "aria-label": "Actual size" }),
    );
    this.append(this.tools, this.area);
    this.load();
  }

  async load() {
    try {
      const answer = await withSignIn(() => send("GET", "schema"));
      const parsed = new DOMParser().parseFromString(String(answer.data), "image/svg+xml");
      const drawing = document.importNode(parsed.documentElement, true);
      if (!(drawing instanceof SVGElement)) throw new Error("The diagram cannot be read.");
      for (const box of drawing.querySelectorAll("[data-table]")) makeLink(box);
      this.drawing = drawing;
      fill(this.area, drawing);
      this.#fit();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      fill(this.area, failure(error, () => this.load()));
    }
  }

  get drawnWidth() {
    return Number(this.drawing?.getAttribute("viewBox")?.split(" ")[2] ?? 0);
  }

  get drawnHeight() {
    return Number(this.drawing?.getAttribute("viewBox")?.split(" ")[3] ?? 0);
  }

  #fit() {
    this.#zoom(Math.min(1, (this.area.clientWidth || this.drawnWidth) / this.drawnWidth));
  }

  /** @param {number} scale */
  #zoom(scale) {
    const least = Math.min(1, this.area.clientWidth / this.drawnWidth) / STEP;
    this.scale = Math.min(Math.max(scale, least), LARGEST);
    this.drawing?.setAttribute("width", String(Math.round(this.drawnWidth * this.scale)));
    this.drawing?.setAttribute("height", String(Math.round(this.drawnHeight * this.scale)));
  }
}

customElements.define("studio-diagram", Diagram);

/**
 * Make the box of a table in the diagram lead to it.
 *
 * @param {Element} box
 */
function makeLink(box) {
  const name = box.getAttribute("data-table");
  const table = catalog.tables.find((each) => each.table === name);
  if (!table) return;
  const link = document.createElementNS("http://www.w3.org/2000/svg", "a");
  link.setAttribute("href", pageUrl(`schema/${table.id}`));
  link.setAttribute("aria-label", titleOf(table));
  link.addEventListener("click", (event) => {
    event.preventDefault();
    navigate(pageUrl(`schema/${table.id}`));
  });
  box.replaceWith(link);
  link.append(box);
}
