// How long the eye has rested on one place.

const SHARE_OF_FRAME = 0.035;
const MOST_OF_FRAME = 0.12;

/** Fed with places in frame pixels; `ring` says what to draw. */
export class Dwell {
  #since = null;
  #centre = null;
  #fired = false;

  constructor() {
    this.dwellMs = 0;
    this.settleMs = 250;
  }

  /**
   * Note where the eye is; `spread` is how uncertain that is, frame pixels. Returns true at the moment at which it has
   * dwelt long enough to select.
   */
  note(place, nowMs, width, spread = 0) {
    const reach = Math.min(MOST_OF_FRAME * width, Math.max(SHARE_OF_FRAME * width, spread));
    if (!place) {
      this.#centre = null;
      return false;
    }
    const [x, y] = place;
    if (!this.#centre || Math.hypot(x - this.#centre[0], y - this.#centre[1]) > reach) {
      this.#centre = [x, y];
      this.#since = nowMs;
      this.#fired = false;
    }
    const due = this.dwellMs > 0 && !this.#fired && nowMs - this.#since >= this.dwellMs;
    this.#fired ||= due;
    return due;
  }

  /** Where to draw the ring, and what share of it is full; null while nothing is looked at. */
  ring(nowMs, width) {
    if (!this.#centre) return null;
    const [x, y] = this.#centre;
    const share = (nowMs - this.#since) / (this.dwellMs || this.settleMs);
    return { x, y, radius: SHARE_OF_FRAME * width, share: Math.min(1, share) };
  }
}
