// Webcam gaze as the eye: what the server says of faces, as a place in frame pixels with its uncertainty.

import { msOf, nsOf } from "./bytes.js";

const TRAIL_MS = 500;
const LOST_AFTER_MS = [400, 1500];
const LOST_LOOKS = 3;
const CALM = 0.14;
const LEAP = 1.1;
const STAGE_STEP = 0.5;

/**
 * The same face as `Eye`: `place`, `trail`, `kind`, `tick`, `take`; and `spread`, the standard deviation in frame
 * pixels. The frame has the size that `sizeOf()` gives and lies in `boxOf()` of the page, which lies on `screenPlace`.
 */
export class WebcamEye {
  #boxOf;
  #sizeOf;
  #screen;
  #smooth = null;
  #seenAt = -Infinity;
  #everyMs = 33;
  #told = [];

  constructor({ boxOf, sizeOf, screenPlace }) {
    this.#boxOf = boxOf;
    this.#sizeOf = sizeOf;
    this.#screen = screenPlace;
    this.kind = "webcam";
    this.trail = [];
    this.spread = null;
  }

  /** Where the eyes rest, in frame pixels, or null. */
  get place() {
    const [least, most] = LOST_AFTER_MS;
    const lost = Math.min(most, Math.max(least, LOST_LOOKS * this.#everyMs));
    return this.#smooth && performance.now() - this.#seenAt < lost ? this.#smooth : null;
  }

  tick(ms) {
    while (this.trail.length && ms - this.trail[0].ms > TRAIL_MS) this.trail.shift();
  }

  /** Nothing: the server has the samples already. */
  take() {
    return [];
  }

  /** Take what the server saw in a face. */
  note({ gaze, timeNs }) {
    const stage = this.stage;
    if (!gaze || !stage) return;
    const [x, y] = [(gaze.x - stage.x) / stage.scaleX, (gaze.y - stage.y) / stage.scaleY];
    const [xx, , yy] = gaze.covariance;
    this.spread = Math.sqrt((xx / stage.scaleX ** 2 + yy / stage.scaleY ** 2) / 2) || 0;
    this.#steady(x, y);
    const now = performance.now();
    this.#everyMs += 0.1 * (Math.min(1000, now - this.#seenAt) - this.#everyMs);
    this.#seenAt = now;
    this.trail.push({ ms: Math.max(msOf(timeNs), this.trail.at(-1)?.ms ?? 0), x, y });
  }

  forget() {
    this.#smooth = null;
    this.spread = null;
    this.trail = [];
    this.#told = [];
  }

  // Small jumps are noise and are smoothed away; one as large as the uncertainty is a look elsewhere.
  #steady(x, y) {
    if (!this.place) {
      this.#smooth = [x, y];
      return;
    }
    const away = Math.hypot(x - this.#smooth[0], y - this.#smooth[1]) / Math.max(1, this.spread);
    const share = Math.min(1, Math.max(CALM, away / LEAP - 0.2));
    this.#smooth = [this.#smooth[0] + share * (x - this.#smooth[0]), this.#smooth[1] + share * (y - this.#smooth[1])];
  }

  /** Where frames are on the screen, or null. */
  get stage() {
    const [width, height] = this.#sizeOf();
    const box = this.#boxOf();
    if (!width || !box.width) return null;
    const [shiftX, shiftY] = this.#screen.shift;
    return { x: box.left + shiftX, y: box.top + shiftY, scaleX: box.width / width, scaleY: box.height / height };
  }

  /** Where frames are on the screen if that is news, else null. */
  moved() {
    const stage = this.stage;
    if (!stage) return null;
    const now = [stage.x, stage.y, 800 * stage.scaleX, 800 * stage.scaleY];
    if (now.every((value, index) => Math.abs(value - this.#told[index]) < STAGE_STEP)) return null;
    this.#told = now;
    return stage;
  }

  /** A place of the page on the screen. */
  onScreen(clientX, clientY) {
    const [shiftX, shiftY] = this.#screen.shift;
    return { x: clientX + shiftX, y: clientY + shiftY };
  }

  /** A click on the screen in the middle of a box of frame pixels, as large as the box. */
  clickOn([x0, y0, x1, y1], ms) {
    const { x, y, scaleX, scaleY } = this.stage;
    return {
      timeNs: nsOf(ms), x: x + (scaleX * (x0 + x1)) / 2, y: y + (scaleY * (y0 + y1)) / 2,
      sizePx: Math.max(scaleX * (x1 - x0), scaleY * (y1 - y0)),
    };
  }
}
