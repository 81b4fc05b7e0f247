// Where the page is on the screen, in CSS pixels: gaze is measured on the screen, things are shown in the page.

const SMALL_PX = 640;
const MM_A_PIXEL = { small: 0.16, large: 0.27 };
const STILL_MS = 350;
const FILLING_MS = 1600;

/** Follows the window. On screens that cannot be filled (some phones) the page itself counts as the screen. */
export class ScreenPlace {
  #pointer = null;
  #home = [0, 0];
  #size = null;

  constructor() {
    this.whole = document.fullscreenEnabled === true;
    for (const name of ["pointermove", "pointerdown"]) {
      addEventListener(name, ({ clientX, clientY, screenX, screenY }) => {
        this.#pointer = { at: windowPlace(), shift: [screenX - clientX, screenY - clientY] };
      }, { passive: true });
    }
  }

  /** Fill the screen, and note where its corner is and how large it is. */
  async fill() {
    if (this.whole) {
      try {
        await document.documentElement.requestFullscreen({ navigationUI: "hide" });
        await still();
      } catch {
        this.whole = false;
      }
    }
    this.#home = this.whole ? this.#corner : [0, 0];
    this.#size = [innerWidth, innerHeight];
  }

  async leave() {
    if (document.fullscreenElement) await document.exitFullscreen();
  }

  /** Width and height of what gaze is measured on. */
  get size() {
    return this.#size ?? (this.whole ? [screen.width, screen.height] : [innerWidth, innerHeight]);
  }

  /** The screen as the server wants it described. */
  get description() {
    const [width, height] = this.size;
    return { width, height, widthMm: Math.max(20, width * MM_A_PIXEL[width < SMALL_PX ? "small" : "large"]) };
  }

  /** What has to be the same for a calibration to hold. */
  get key() {
    const [width, height] = this.whole ? [screen.width, screen.height] : [innerWidth, innerHeight];
    return `${width}x${height}@${devicePixelRatio}${this.whole ? "" : " page"}`;
  }

  /** Where the page's top left corner is, from where it was as it filled the screen. */
  get shift() {
    if (document.fullscreenElement || !this.whole) return [0, 0];
    const [x, y] = this.#corner;
    return [x - this.#home[0], y - this.#home[1]];
  }

  // The page's corner among all screens.
  get #corner() {
    return this.#pointer?.at === windowPlace() ? this.#pointer.shift : edges();
  }

  /** What `restore` takes. */
  get measured() {
    if (document.fullscreenElement) this.#home = this.#corner;
    return { home: this.#home, size: this.size };
  }

  restore({ home, size }) {
    this.#home = home;
    this.#size = size;
  }
}

// Windows grow after filling the screen is promised, on some systems slowly.
async function still() {
  const begun = performance.now();
  for (let [before, since] = ["", begun]; performance.now() - since < STILL_MS;) {
    if (performance.now() - begun > FILLING_MS) return;
    if (windowPlace() !== before) [before, since] = [windowPlace(), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function windowPlace() {
  return [screenX, screenY, outerWidth, outerHeight, innerWidth, innerHeight].join();
}

// Without a pointer that tells: frames are as wide on both sides, and bars are at the top.
function edges() {
  const side = Math.max(0, (outerWidth - innerWidth) / 2);
  return [screenX + side, screenY + Math.max(0, outerHeight - innerHeight - side)];
}
