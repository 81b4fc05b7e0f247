// The list of SAM's masks to choose from, and the list of the frame's annotations.

import { element } from "./scene.js";

const MARGIN = 0.15;

/** Thumbnails of SAM's masks for the prompts; the shown mask's button is pressed. */
export class Thumbnails {
  #list;
  #choose;

  constructor(list, choose) {
    this.#list = list;
    this.#choose = choose;
  }

  show(proposal) {
    const entries = (proposal?.masks ?? []).map((mask, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", String(index === proposal.maskIndex));
      const name = `Mask ${index + 1}, predicted IoU ${mask.score.toFixed(2)}`;
      button.setAttribute("aria-label", name);
      const caption = document.createElement("span");
      const number = document.createElement("i");
      number.textContent = String(index + 1);
      const score = document.createElement("b");
      score.textContent = mask.score.toFixed(2);
      caption.append(number, score);
      button.append(this.#thumbnail(proposal, mask), caption);
      button.addEventListener("click", () => this.#choose(index));
      const entry = document.createElement("li");
      entry.append(button);
      return entry;
    });
    const focused = [...this.#list.querySelectorAll("button")].indexOf(document.activeElement);
    this.#list.replaceChildren(...entries);
    if (focused >= 0) (this.#list.querySelectorAll("button")[focused] ?? this.#list.querySelector("button"))?.focus();
  }

  #thumbnail(proposal, mask) {
    const { width, height, frame } = proposal;
    const [x, y, boxWidth, boxHeight] = mask.box;
    const margin = MARGIN * Math.max(boxWidth, boxHeight, width / 8);
    const [left, top] = [Math.max(0, x - margin), Math.max(0, y - margin)];
    const [right, bottom] = [Math.min(width, x + boxWidth + margin), Math.min(height, y + boxHeight + margin)];
    const view = [left, top, right - left, bottom - top].join(" ");
    return element(
      "svg",
      { viewBox: view, "aria-hidden": "true" },
      element("image", { href: `/api/frame/${frame}.jpg`, width, height }),
      element("path", { d: mask.path, class: "m-target", "fill-rule": "evenodd", "vector-effect": "non-scaling-stroke" }),
    );
  }
}

/** The annotations of the frame: each can be relabelled, highlighted and deleted. */
export class AnnotationList {
  #list;
  #actions;
  #content = "";

  constructor(list, actions) {
    this.#list = list;
    this.#actions = actions;
  }

  show(annotations) {
    const text = JSON.stringify(annotations.map(({ number, category, decision }) => [number, category, decision]));
    if (text === this.#content) return;
    this.#content = text;
    const focused = document.activeElement?.closest("#annotations li")?.dataset.number;
    this.#list.replaceChildren(...annotations.map((annotation) => this.#entry(annotation)));
    this.#list.querySelector(`li[data-number="${focused}"] input`)?.focus();
  }

  #entry({ number, category, decision }) {
    const entry = document.createElement("li");
    entry.dataset.number = number;
    const field = document.createElement("input");
    field.value = category;
    field.maxLength = 60;
    field.setAttribute("list", "labels");
    field.setAttribute("aria-label", `Label of mask ${number}, ${decision}`);
    field.addEventListener("change", () => this.#actions.relabel(number, field.value));
    const origin = document.createElement("small");
    origin.textContent = decision;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Delete";
    button.setAttribute("aria-label", `Delete mask ${number}, ${category}`);
    button.addEventListener("click", () => this.#actions.remove(number));
    entry.append(field, origin, button);
    for (const [enter, leave] of [["pointerenter", "pointerleave"], ["focusin", "focusout"]]) {
      entry.addEventListener(enter, () => this.#actions.highlight(number));
      entry.addEventListener(leave, () => this.#actions.highlight(null));
    }
    return entry;
  }
}
