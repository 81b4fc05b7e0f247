// Webcam gaze as a gaze source: brings the server's gaze estimates from the screen to frame pixels, and smooths them.

import { msOf, nsOf } from "./bytes.js";

const TRAIL_MS = 500;
const LOST_AFTER_MS = [400, 1500];
const LOST_AFTER_ESTIMATES = 3;
const SMALLEST_STEP = 0.14;
const JUMP_DEVIATIONS = 1.1;
const VIEWPORT_TOLERANCE_PX = 0.5;

/**
 * Has the interface of `PointerGazeSource`: `point`, `trail`, `kind`, `tick`, `takeSamples`; and `spread`, the standard
 * deviation in frame pixels. The frame has the size `sizeOf()` and lies in `boxOf()` of the page; `screenMapping`
 * converts from the page to the screen.
 */
export class WebcamGazeSource {
  #boxOf;
  #sizeOf;
  #screenMapping;
  #smoothed = null;
  #lastMs = -Infinity;
  #intervalMs = 33;
  #sentViewport = [];

  constructor({ boxOf, sizeOf, screenMapping }) {
    this.#boxOf = boxOf;
    this.#sizeOf = sizeOf;
    this.#screenMapping = screenMapping;
    this.kind = "webcam";
    this.trail = [];
    this.spread = null;
  }

  /** The gaze point in frame pixels, or null. */
  get point() {
    const [least, most] = LOST_AFTER_MS;
    const lostMs = Math.min(most, Math.max(least, LOST_AFTER_ESTIMATES * this.#intervalMs));
    return this.#smoothed && performance.now() - this.#lastMs < lostMs ? this.#smoothed : null;
  }

  tick(ms) {
    while (this.trail.length && ms - this.trail[0].ms > TRAIL_MS) this.trail.shift();
  }

  /** Always empty: the server has the samples already. */
  takeSamples() {
    return [];
  }

  /** Add a `gaze_estimate` message. */
  update({ gaze, timeNs }) {
    const { viewport } = this;
    if (!gaze || !viewport) return;
    const [x, y] = [(gaze.x - viewport.x) / viewport.scaleX, (gaze.y - viewport.y) / viewport.scaleY];
    const [xx, , yy] = gaze.covariance;
    this.spread = Math.sqrt((xx / viewport.scaleX ** 2 + yy / viewport.scaleY ** 2) / 2) || 0;
    this.#smooth(x, y);
    const now = performance.now();
    this.#intervalMs += 0.1 * (Math.min(1000, now - this.#lastMs) - this.#intervalMs);
    this.#lastMs = now;
    this.trail.push({ ms: Math.max(msOf(timeNs), this.trail.at(-1)?.ms ?? 0), x, y });
  }

  clear() {
    this.#smoothed = null;
    this.spread = null;
    this.trail = [];
    this.#sentViewport = [];
  }

  // Small changes are noise and are smoothed; a jump as large as the uncertainty is a new gaze point.
  #smooth(x, y) {
    if (!this.point) {
      this.#smoothed = [x, y];
      return;
    }
    const [lastX, lastY] = this.#smoothed;
    const deviations = Math.hypot(x - lastX, y - lastY) / Math.max(1, this.spread);
    const step = Math.min(1, Math.max(SMALLEST_STEP, deviations / JUMP_DEVIATIONS - 0.2));
    this.#smoothed = [lastX + step * (x - lastX), lastY + step * (y - lastY)];
  }

  /** Where frames are shown on the screen, or null. */
  get viewport() {
    const [width, height] = this.#sizeOf();
    const box = this.#boxOf();
    if (!width || !box.width) return null;
    const [shiftX, shiftY] = this.#screenMapping.shift;
    return { x: box.left + shiftX, y: box.top + shiftY, scaleX: box.width / width, scaleY: box.height / height };
  }

  /** The viewport if it has changed since the last call, else null. */
  changedViewport() {
    const { viewport } = this;
    if (!viewport) return null;
    const now = [viewport.x, viewport.y, 800 * viewport.scaleX, 800 * viewport.scaleY];
    const same = now.every((value, index) => Math.abs(value - this.#sentViewport[index]) < VIEWPORT_TOLERANCE_PX);
    if (same) return null;
    this.#sentViewport = now;
    return viewport;
  }

  /** Convert a point of the page to the screen. */
  toScreen(clientX, clientY) {
    const [shiftX, shiftY] = this.#screenMapping.shift;
    return { x: clientX + shiftX, y: clientY + shiftY };
  }

  /** A click on the centre of a box in frame pixels, as large as the box; in screen pixels. */
  clickOn([x0, y0, x1, y1], ms) {
    const { x, y, scaleX, scaleY } = this.viewport;
    return {
      timeNs: nsOf(ms), x: x + (scaleX * (x0 + x1)) / 2, y: y + (scaleY * (y0 + y1)) / 2,
      sizePx: Math.max(scaleX * (x1 - x0), scaleY * (y1 - y0)),
    };
  }
}
