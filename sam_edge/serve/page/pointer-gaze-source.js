// The mouse, a finger, or the arrow keys as gaze: a steady stream of samples in frame pixels.

import { nsOf } from "./protocol.js";

const TRAIL_MS = 500;
const TAP_HOLD_MS = 700;
const SAMPLES_KEPT = 512;
const KEY_STEP = 1 / 80;
const SHIFT_FACTOR = 5;
const CONFIDENCE = { mouse: 1, pen: 1, touch: 1, keys: 1 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Follows the pointer over `element`. Its image has the size `sizeOf()` and lies in `boxOf()` of the page. */
export class PointerGazeSource extends EventTarget {
  #position = null;
  #samples = [];
  #boxOf;
  #sizeOf;
  #lastNs = 0n;
  #tapTimer = 0;

  constructor(element, { boxOf, sizeOf }) {
    super();
    this.#boxOf = boxOf;
    this.#sizeOf = sizeOf;
    this.kind = "none";
    this.trail = [];
    const move = (event) => this.#move(event);
    for (const name of ["pointermove", "pointerdown"]) element.addEventListener(name, move);
    for (const name of ["pointerleave", "pointercancel"]) {
      element.addEventListener(name, (event) => (event.pointerType === "touch" ? this.#lift() : this.#leave()));
    }
    element.addEventListener("pointerup", (event) => event.pointerType === "touch" && this.#lift());
    element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** The gaze point in frame pixels, or null. */
  get point() {
    const [width, height] = this.#sizeOf();
    return this.#position && width ? [this.#position[0] * width, this.#position[1] * height] : null;
  }

  /** Take a sample now; call it at a steady rate. */
  tick(ms) {
    const timeNs = nsOf(ms);
    if (timeNs <= this.#lastNs) return;
    this.#lastNs = timeNs;
    const { point } = this;
    const [x, y] = point ?? [NaN, NaN];
    this.#samples.push({ timeNs, x, y, confidence: point ? CONFIDENCE[this.kind] : 0 });
    if (this.#samples.length > SAMPLES_KEPT) this.#samples.shift();
    if (point) this.trail.push({ ms, x, y });
    while (this.trail.length && ms - this.trail[0].ms > TRAIL_MS) this.trail.shift();
  }

  /** The samples since the last call. */
  takeSamples() {
    const samples = this.#samples;
    this.#samples = [];
    return samples;
  }

  // The gaze stays at a tap for a moment after the finger is lifted.
  #lift() {
    clearTimeout(this.#tapTimer);
    this.#tapTimer = setTimeout(() => this.#leave(), TAP_HOLD_MS);
  }

  #move(event) {
    clearTimeout(this.#tapTimer);
    const box = this.#boxOf();
    const x = (event.clientX - box.left) / box.width;
    const y = (event.clientY - box.top) / box.height;
    const inside = x >= 0 && y >= 0 && x <= 1 && y <= 1;
    this.kind = event.pointerType || "mouse";
    this.#position = inside ? [x, y] : null;
  }

  #leave() {
    if (this.kind !== "keys") this.#position = null;
  }

  #key(event) {
    const direction = ARROWS[event.key];
    if (!direction || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const step = KEY_STEP * (event.shiftKey ? SHIFT_FACTOR : 1);
    const [x, y] = this.#position ?? [0.5, 0.5];
    this.kind = "keys";
    const clamp = (value) => Math.min(0.999, Math.max(0.001, value));
    this.#position = [clamp(x + step * direction[0]), clamp(y + step * direction[1])];
    this.dispatchEvent(new Event("key"));
  }
}
