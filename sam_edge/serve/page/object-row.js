// One object in the list: its colour and name, how long it was looked at, and what can be done with it.

import { colourOf } from "./object-colours.js";

/** An object's name in a sentence: its label, or its number. */
export function nameOf({ objectId, label }) {
  return label ?? `object ${objectId}`;
}

function timeText(ms) {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

function button(className, text, onClick) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = className;
  element.textContent = text;
  element.addEventListener("click", onClick);
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export class ObjectRow {
  #actions;
  #object = null;
  #others = [];
  #listed = "";
  #chip = document.createElement("span");
  #name;
  #dwell = document.createElement("small");
  #unpin;
  #more;
  #panel = document.createElement("div");
  #merge;
  #same = document.createElement("select");
  #input = null;

  /** `actions` are the functions `rename(objectId, label)`, `merge(objectId, otherId)`, `forget` and `unpin(objectId)`. */
  constructor(objectId, actions) {
    this.objectId = objectId;
    this.#actions = actions;
    this.element = document.createElement("li");
    this.element.dataset.object = objectId;
    this.element.style.setProperty("--tone", colourOf(objectId));
    this.#chip.className = "chip";
    this.#chip.textContent = objectId;
    this.#chip.setAttribute("aria-hidden", "true");
    this.#name = button("name", "", () => this.#edit());
    this.#unpin = button("unpin", "Unpin", () => actions.unpin(objectId));
    this.#more = button("more", "⋯", () => this.#toggle());
    this.#more.setAttribute("aria-expanded", "false");
    this.#panel.className = "object-actions";
    this.#panel.hidden = true;
    this.#merge = button("merge", "Merge", () => actions.merge(Number(this.#same.value), objectId));
    const same = document.createElement("label");
    same.append("Same as", this.#same);
    const forget = button("forget", "Forget", () => actions.forget(objectId));
    this.#panel.append(same, this.#merge, button("rename", "Rename", () => this.#edit()), forget);
    this.element.append(this.#chip, this.#name, this.#dwell, this.#unpin, this.#more, this.#panel);
  }

  /** Show an object, `{objectId, label, pinned, dwellMs, visits}`. Without a dwell time, it can only be unpinned. */
  update(object, { others, looked }) {
    this.#object = object;
    const { objectId, label, pinned, dwellMs, visits } = object;
    const known = dwellMs !== undefined;
    setText(this.#name, label ?? `Object ${objectId}`);
    this.#name.disabled = !known;
    this.#name.title = label ?? "";
    setText(this.#dwell, known ? `${timeText(dwellMs)} · ${visits === 1 ? "1 visit" : `${visits} visits`}` : "");
    this.#unpin.hidden = !pinned;
    this.#more.hidden = !known;
    this.element.toggleAttribute("data-looked", looked);
    const spoken = label ? `object ${objectId}, ${label}` : `object ${objectId}`;
    this.#name.setAttribute("aria-label", `Rename ${spoken}`);
    this.#unpin.setAttribute("aria-label", `Unpin ${spoken}`);
    this.#more.setAttribute("aria-label", `More for ${spoken}`);
    this.#same.setAttribute("aria-label", `${spoken} is the same as`);
    this.#others = others;
    if (!this.#panel.hidden) this.#listOthers();
  }

  focus() {
    this.#name.focus();
  }

  #toggle() {
    this.#panel.hidden = !this.#panel.hidden;
    this.#more.setAttribute("aria-expanded", String(!this.#panel.hidden));
    if (!this.#panel.hidden) this.#listOthers();
  }

  #listOthers() {
    const others = this.#others.filter(({ objectId }) => objectId !== this.objectId);
    const key = others.map((other) => `${other.objectId} ${nameOf(other)}`).join("\n");
    this.#merge.disabled = others.length === 0;
    if (key === this.#listed) return;
    this.#listed = key;
    const before = this.#same.value;
    this.#same.replaceChildren(...others.map(({ objectId, label }) => {
      const text = label ? `${objectId} · ${label}` : `Object ${objectId}`;
      return new Option(text, objectId, false, String(objectId) === before);
    }));
  }

  // Rename in place: Enter and leaving the field keep the text, Escape does not.
  #edit() {
    if (this.#input) return;
    const input = document.createElement("input");
    Object.assign(input, { type: "text", value: this.#object.label ?? "", maxLength: this.#actions.labelCharacters() });
    input.className = "name";
    input.autocomplete = "off";
    input.placeholder = `Object ${this.objectId}`;
    input.setAttribute("aria-label", `Name of object ${this.objectId}`);
    this.#input = input;
    input.addEventListener("keydown", (event) => {
      if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
      event.preventDefault();
      this.#endEdit(event.key === "Enter");
      this.#name.focus();
    });
    input.addEventListener("blur", () => this.#endEdit(true));
    this.#name.replaceWith(input);
    input.focus();
    input.select();
  }

  #endEdit(keep) {
    const input = this.#input;
    if (!input) return;
    this.#input = null;
    input.replaceWith(this.#name);
    const label = input.value.trim() || null;
    if (keep && label !== this.#object.label) this.#actions.rename(this.objectId, label);
  }
}
