// Maps page coordinates to screen coordinates, in CSS pixels: gaze is measured on the screen, frames are shown in the page.

const PHONE_WIDTH_PX = 640;
const MM_PER_PX = { phone: 0.16, desktop: 0.27 };
const STABLE_MS = 350;
const FULLSCREEN_TIMEOUT_MS = 1600;

/** Follows the window. Without fullscreen mode (some phones) the page itself counts as the screen. */
export class ScreenMapping {
  #pointer = null;
  #origin = [0, 0];
  #size = null;

  constructor() {
    this.fullscreen = document.fullscreenEnabled === true;
    for (const name of ["pointermove", "pointerdown"]) {
      addEventListener(name, ({ clientX, clientY, screenX, screenY }) => {
        this.#pointer = { at: windowKey(), shift: [screenX - clientX, screenY - clientY] };
      }, { passive: true });
    }
  }

  /** Enter fullscreen mode and measure the origin and size of the screen. */
  async enterFullscreen() {
    if (this.fullscreen) {
      try {
        await document.documentElement.requestFullscreen({ navigationUI: "hide" });
        await windowStable();
      } catch {
        this.fullscreen = false;
      }
    }
    this.#origin = this.fullscreen ? this.#corner : [0, 0];
    this.#size = [innerWidth, innerHeight];
  }

  async leaveFullscreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
  }

  /** Width and height of the screen on which gaze is measured. */
  get size() {
    return this.#size ?? (this.fullscreen ? [screen.width, screen.height] : [innerWidth, innerHeight]);
  }

  /** The screen for `setWebcam`. */
  get description() {
    const [width, height] = this.size;
    return { width, height, widthMm: Math.max(20, width * MM_PER_PX[width < PHONE_WIDTH_PX ? "phone" : "desktop"]) };
  }

  /** Identifies the screen: a calibration is valid for one key. */
  get key() {
    const [width, height] = this.fullscreen ? [screen.width, screen.height] : [innerWidth, innerHeight];
    return `${width}x${height}@${devicePixelRatio}${this.fullscreen ? "" : " page"}`;
  }

  /** Position of the page's top left corner on the screen. */
  get shift() {
    if (document.fullscreenElement || !this.fullscreen) return [0, 0];
    const [x, y] = this.#corner;
    return [x - this.#origin[0], y - this.#origin[1]];
  }

  // The page's corner in desktop coordinates.
  get #corner() {
    return this.#pointer?.at === windowKey() ? this.#pointer.shift : cornerFromWindow();
  }

  /** The measured origin and size, for `restore`. */
  get measured() {
    if (document.fullscreenElement) this.#origin = this.#corner;
    return { origin: this.#origin, size: this.size };
  }

  restore({ origin, size }) {
    this.#origin = origin;
    this.#size = size;
  }
}

// The window still changes its size after the fullscreen promise resolves, on some systems slowly.
async function windowStable() {
  const startMs = performance.now();
  for (let [before, since] = ["", startMs]; performance.now() - since < STABLE_MS;) {
    if (performance.now() - startMs > FULLSCREEN_TIMEOUT_MS) return;
    if (windowKey() !== before) [before, since] = [windowKey(), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function windowKey() {
  return [screenX, screenY, outerWidth, outerHeight, innerWidth, innerHeight].join();
}

// Before any pointer event: assume equal borders left and right, and all toolbars at the top.
function cornerFromWindow() {
  const side = Math.max(0, (outerWidth - innerWidth) / 2);
  return [screenX + side, screenY + Math.max(0, outerHeight - innerHeight - side)];
}
