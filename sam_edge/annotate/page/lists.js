// SAM's masks to choose from, and the masks that the frame has.

import { element } from "./scene.js";

const MARGIN = 0.15;

/** Pictures of SAM's masks for what was said; the one that is shown is pressed. */
export class Thumbnails {
  #list;
  #take;

  constructor(list, take) {
    this.#list = list;
    this.#take = take;
  }

  show(question) {
    const entries = (question?.masks ?? []).map((mask, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", String(index === question.shown));
      const name = `Mask ${index + 1}, predicted IoU ${mask.score.toFixed(2)}`;
      button.setAttribute("aria-label", name);
      const caption = document.createElement("span");
      const number = document.createElement("i");
      number.textContent = String(index + 1);
      const score = document.createElement("b");
      score.textContent = mask.score.toFixed(2);
      caption.append(number, score);
      button.append(this.#picture(question, mask), caption);
      button.addEventListener("click", () => this.#take(index));
      const entry = document.createElement("li");
      entry.append(button);
      return entry;
    });
    const at = [...this.#list.querySelectorAll("button")].indexOf(document.activeElement);
    this.#list.replaceChildren(...entries);
    if (at >= 0) (this.#list.querySelectorAll("button")[at] ?? this.#list.querySelector("button"))?.focus();
  }

  #picture(question, mask) {
    const { width, height, frame } = question;
    const [x, y, across, down] = mask.box;
    const margin = MARGIN * Math.max(across, down, width / 8);
    const [left, top] = [Math.max(0, x - margin), Math.max(0, y - margin)];
    const [right, bottom] = [Math.min(width, x + across + margin), Math.min(height, y + down + margin)];
    const view = [left, top, right - left, bottom - top].join(" ");
    return element(
      "svg",
      { viewBox: view, "aria-hidden": "true" },
      element("image", { href: `/api/frame/${frame}.jpg`, width, height }),
      element("path", { d: mask.path, class: "m-meant", "fill-rule": "evenodd", "vector-effect": "non-scaling-stroke" }),
    );
  }
}

/** The masks of the frame: their labels can be changed, and they can be deleted. */
export class KeptList {
  #list;
  #does;
  #shown = "";

  constructor(list, does) {
    this.#list = list;
    this.#does = does;
  }

  show(kept) {
    const text = JSON.stringify(kept.map(({ number, category, decision }) => [number, category, decision]));
    if (text === this.#shown) return;
    this.#shown = text;
    const held = document.activeElement?.closest("#kept li")?.dataset.number;
    this.#list.replaceChildren(...kept.map((mask) => this.#entry(mask)));
    this.#list.querySelector(`li[data-number="${held}"] input`)?.focus();
  }

  #entry({ number, category, decision }) {
    const entry = document.createElement("li");
    entry.dataset.number = number;
    const field = document.createElement("input");
    field.value = category;
    field.maxLength = 60;
    field.setAttribute("list", "labels");
    field.setAttribute("aria-label", `Label of mask ${number}, ${decision}`);
    field.addEventListener("change", () => this.#does.relabel(number, field.value));
    const how = document.createElement("small");
    how.textContent = decision;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Delete";
    button.setAttribute("aria-label", `Delete mask ${number}, ${category}`);
    button.addEventListener("click", () => this.#does.remove(number));
    entry.append(field, how, button);
    for (const [begins, ends] of [["pointerenter", "pointerleave"], ["focusin", "focusout"]]) {
      entry.addEventListener(begins, () => this.#does.light(number));
      entry.addEventListener(ends, () => this.#does.light(null));
    }
    return entry;
  }
}
