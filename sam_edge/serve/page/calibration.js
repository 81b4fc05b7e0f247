// The calibration on the whole screen: nine targets to learn from, four to see how good it became.

import { nsOf } from "./bytes.js";

const NEAR = 0.1;
const LINES = [NEAR, 0.5, 1 - NEAR];
const LEARN = [[0.5, 0.5], ...LINES.flatMap((y) => LINES.map((x) => [x, y])).filter(([x, y]) => x !== 0.5 || y !== 0.5)];
const CHECK = [[0.3, 0.3], [0.7, 0.3], [0.3, 0.7], [0.7, 0.7]];
const SETTLE_MS = 700;
const RETRIES = 2;
const SILENT_MS = 6000;
const GIVEN_UP = "Your eyes were not seen steadily at enough of the dots. More light from the front helps, and sitting still.";

/** Why a calibration ended without a result: the person stopped it. */
export class Stopped extends Error {}

/** Shows targets in `dot` and words in `hint`; both lie in a dialog that covers the page. */
export class Calibration {
  #client;
  #dot;
  #hint;
  #stop = new AbortController();
  #confirmed = null;

  constructor(client, { dot, hint }) {
    this.#client = client;
    this.#dot = dot;
    this.#hint = hint;
  }

  /** End it; `run` rejects with `Stopped`. */
  stop(reason = "") {
    this.#stop.abort(new Stopped(reason));
  }

  /** In the manual way: the person looks at the target now. */
  confirm() {
    this.#confirmed?.();
  }

  /** Show all targets. Resolves to what the server says of the calibration. */
  async run({ manual }) {
    const { signal } = this.#stop;
    try {
      await this.#learned(signal);
      await this.#client.calibrate("begin");
      const queue = [...LEARN.map((place) => ({ place })), ...CHECK.map((place) => ({ place, check: true }))];
      const targets = queue.map((target, number) => ({ ...target, number, tries: 0 }));
      let [done, failed] = [0, 0];
      for (let target = targets.shift(); target; target = targets.shift()) {
        this.#say(`Dot ${done + 1} of ${queue.length}${manual ? ": look at it and press Space" : ""}`);
        if (await this.#show(target, { manual, signal })) done += 1;
        else if (target.tries < RETRIES) targets.push({ ...target, tries: target.tries + 1 });
        else failed += 1;
        if (failed > 3) throw new Error(GIVEN_UP);
      }
      signal.throwIfAborted();
      return await this.#client.calibrate("finish");
    } catch (error) {
      if (this.#client.state === "open") this.#client.calibrate("abandon").catch(() => {});
      throw error;
    } finally {
      this.#dot.hidden = true;
    }
  }

  // The server knows where eyes look only once it knows the face.
  async #learned(signal) {
    this.#dot.hidden = true;
    await this.#until("sight", signal, ({ face, learned }) => {
      this.#say(face ? "Learning your face…" : "No face to be seen");
      return learned >= 1 || undefined;
    });
  }

  async #show({ place, check = false, number }, { manual, signal }) {
    const [x, y] = [place[0] * innerWidth, place[1] * innerHeight];
    const dot = this.#dot;
    dot.hidden = false;
    dot.dataset.state = "settle";
    dot.style.setProperty("--share", 0);
    dot.style.left = `${x}px`;
    dot.style.top = `${y}px`;
    // Begins its animation anew.
    dot.getAnimations({ subtree: true }).forEach((animation) => { animation.cancel(); animation.play(); });
    if (manual) await this.#key(signal);
    else await pause(SETTLE_MS, signal);
    dot.dataset.state = "collect";
    this.#client.target(number, { timeNs: nsOf(performance.now()), x, y, check });
    const state = await this.#until("aimed", signal, (aimed) => {
      if (aimed.target !== number) return undefined;
      dot.style.setProperty("--share", aimed.progress);
      return aimed.state === "collecting" ? undefined : aimed.state;
    });
    dot.dataset.state = state;
    return state === "seen";
  }

  // Wait for an event for which `found` gives something; the server's silence is an error.
  #until(type, signal, found) {
    return new Promise((resolve, reject) => {
      const ends = new AbortController();
      const fail = (error) => { ends.abort(); clearTimeout(timer); reject(error); };
      const silent = () => fail(new Error("The server does not answer. Is the camera covered, or the network slow?"));
      let timer = setTimeout(silent, SILENT_MS);
      signal.addEventListener("abort", () => fail(signal.reason), { signal: ends.signal });
      if (signal.aborted) fail(signal.reason);
      this.#client.addEventListener(type, ({ detail }) => {
        clearTimeout(timer);
        timer = setTimeout(silent, SILENT_MS);
        const value = found(detail);
        if (value === undefined) return;
        ends.abort();
        clearTimeout(timer);
        resolve(value);
      }, { signal: ends.signal });
    });
  }

  #key(signal) {
    return new Promise((resolve, reject) => {
      this.#confirmed = resolve;
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  #say(text) {
    if (this.#hint.textContent !== text) this.#hint.textContent = text;
  }
}

/** How good a calibration is, in words, for eyes half a metre away. */
export function inWords({ accuracyDeg, worstDeg, noiseDeg, accuracyPx }) {
  const degrees = accuracyDeg < 0.95 ? accuracyDeg.toFixed(1) : String(Math.round(accuracyDeg * 2) / 2);
  const [good, things] = accuracyDeg <= 1 ? ["Very good", "things of the size of a thumb can be told apart"]
    : accuracyDeg <= 3 ? ["Good", "things of the size of a hand can be told apart"]
      : accuracyDeg <= 6 ? ["Coarse", "enough to choose among a few large things"]
        : ["That did not work well", "try again with more light from the front, and sit still"];
  return {
    title: accuracyDeg <= 6 ? `${good}: about ${degrees} degree${degrees === "1" ? "" : "s"} off` : good,
    text: `On this screen that is ${Math.round(accuracyPx)} pixels: ${things}.`,
    detail: `The worst dot was missed by ${worstDeg.toFixed(1)}°; single looks scatter by ${noiseDeg.toFixed(1)}°.`,
    usable: accuracyDeg <= 6,
  };
}

/** Draw where the dots were and where the gaze was, small. */
export function plot(canvas, { targets }, [width, height], colours) {
  const ratio = Math.min(2, devicePixelRatio || 1);
  const across = canvas.clientWidth * ratio;
  Object.assign(canvas, { width: across, height: (across * height) / width });
  const context = canvas.getContext("2d");
  const scale = across / width;
  for (const { x, y, gazeX, gazeY, check, rejected } of targets) {
    const tone = check ? colours.check : colours.learn;
    context.globalAlpha = rejected ? 0.4 : 1;
    context.strokeStyle = context.fillStyle = tone;
    context.lineWidth = 1.6 * ratio;
    context.beginPath();
    context.arc(x * scale, y * scale, 5 * ratio, 0, 2 * Math.PI);
    context.moveTo(x * scale, y * scale);
    context.lineTo(gazeX * scale, gazeY * scale);
    context.stroke();
    context.beginPath();
    context.arc(gazeX * scale, gazeY * scale, 2.6 * ratio, 0, 2 * Math.PI);
    context.fill();
  }
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    const stopped = () => { clearTimeout(timer); reject(signal.reason); };
    if (signal.aborted) stopped();
    signal.addEventListener("abort", stopped, { once: true });
  });
}
