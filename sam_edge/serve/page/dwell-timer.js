// Measures how long the gaze rests on one place.

const RADIUS_SHARE = 0.035;
const LARGEST_RADIUS_SHARE = 0.12;

/** `update` takes gaze points in frame pixels; `ring` returns what to draw. */
export class DwellTimer {
  #sinceMs = null;
  #center = null;
  #fired = false;

  constructor() {
    this.dwellMs = 0;
    this.settleMs = 250;
  }

  /**
   * Add a gaze point, or null without gaze; `spread` is its uncertainty in frame pixels. Returns true once, when the
   * gaze has rested for `dwellMs` (0: never).
   */
  update(point, nowMs, width, spread = 0) {
    const radius = Math.min(LARGEST_RADIUS_SHARE * width, Math.max(RADIUS_SHARE * width, spread));
    if (!point) {
      this.#center = null;
      return false;
    }
    const [x, y] = point;
    if (!this.#center || Math.hypot(x - this.#center[0], y - this.#center[1]) > radius) {
      this.#center = [x, y];
      this.#sinceMs = nowMs;
      this.#fired = false;
    }
    const due = this.dwellMs > 0 && !this.#fired && nowMs - this.#sinceMs >= this.dwellMs;
    this.#fired ||= due;
    return due;
  }

  /** Where to draw the ring and which share of it is full; null without gaze. */
  ring(nowMs, width) {
    if (!this.#center) return null;
    const [x, y] = this.#center;
    const share = (nowMs - this.#sinceMs) / (this.dwellMs || this.settleMs);
    return { x, y, radius: RADIUS_SHARE * width, share: Math.min(1, share) };
  }
}
