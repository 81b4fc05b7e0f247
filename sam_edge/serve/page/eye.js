// A mouse, a finger, or the arrow keys as the eye: a steady stream of samples in frame pixels.

import { nsOf } from "./protocol.js";

const TRAIL_MS = 500;
const LIFTED_MS = 700;
const KEY_STEP = 1 / 80;
const KEY_FASTER = 5;
const CONFIDENCE = { mouse: 1, pen: 1, touch: 1, keys: 1 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Follows the pointer over `stage`, whose picture has the size that `sizeOf()` gives and lies in `boxOf()`. */
export class Eye extends EventTarget {
  #place = null;
  #samples = [];
  #boxOf;
  #sizeOf;
  #lastNs = 0n;
  #lifted = 0;

  constructor(stage, { boxOf, sizeOf }) {
    super();
    this.#boxOf = boxOf;
    this.#sizeOf = sizeOf;
    this.kind = "none";
    this.trail = [];
    const look = (event) => this.#look(event);
    for (const name of ["pointermove", "pointerdown"]) stage.addEventListener(name, look);
    for (const name of ["pointerleave", "pointercancel"]) {
      stage.addEventListener(name, (event) => (event.pointerType === "touch" ? this.#lift() : this.#close()));
    }
    stage.addEventListener("pointerup", (event) => event.pointerType === "touch" && this.#lift());
    stage.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Where the eye rests, in frame pixels, or null. */
  get place() {
    const [width, height] = this.#sizeOf();
    return this.#place && width ? [this.#place[0] * width, this.#place[1] * height] : null;
  }

  /** Take a sample now; call it at a steady rate. */
  tick(ms) {
    const timeNs = nsOf(ms);
    if (timeNs <= this.#lastNs) return;
    this.#lastNs = timeNs;
    const place = this.place;
    const [x, y] = place ?? [NaN, NaN];
    this.#samples.push({ timeNs, x, y, confidence: place ? CONFIDENCE[this.kind] : 0 });
    if (this.#samples.length > 512) this.#samples.shift();
    if (place) this.trail.push({ ms, x, y });
    while (this.trail.length && ms - this.trail[0].ms > TRAIL_MS) this.trail.shift();
  }

  /** The samples since the last call. */
  take() {
    const samples = this.#samples;
    this.#samples = [];
    return samples;
  }

  // A finger that leaves has still meant something: a tap is looked at for a moment.
  #lift() {
    clearTimeout(this.#lifted);
    this.#lifted = setTimeout(() => this.#close(), LIFTED_MS);
  }

  #look(event) {
    clearTimeout(this.#lifted);
    const box = this.#boxOf();
    const x = (event.clientX - box.left) / box.width;
    const y = (event.clientY - box.top) / box.height;
    const inside = x >= 0 && y >= 0 && x <= 1 && y <= 1;
    this.kind = event.pointerType || "mouse";
    this.#place = inside ? [x, y] : null;
  }

  #close() {
    if (this.kind !== "keys") this.#place = null;
  }

  #key(event) {
    const way = ARROWS[event.key];
    if (!way || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const step = KEY_STEP * (event.shiftKey ? KEY_FASTER : 1);
    const [x, y] = this.#place ?? [0.5, 0.5];
    this.kind = "keys";
    const clamped = (value) => Math.min(0.999, Math.max(0.001, value));
    this.#place = [clamped(x + step * way[0]), clamped(y + step * way[1])];
    this.dispatchEvent(new Event("key"));
  }
}
