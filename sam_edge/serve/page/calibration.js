// Webcam calibration on the whole screen: nine targets to fit, four to validate.

import { nsOf } from "./bytes.js";

const EDGE = 0.1;
const LINES = [EDGE, 0.5, 1 - EDGE];
const FIT_TARGETS = [[0.5, 0.5], ...LINES.flatMap((y) => LINES.map((x) => [x, y])).filter(([x, y]) => x !== 0.5 || y !== 0.5)];
const VALIDATION_TARGETS = [[0.3, 0.3], [0.7, 0.3], [0.3, 0.7], [0.7, 0.7]];
const SETTLE_MS = 700;
const RETRIES = 2;
const ANSWER_TIMEOUT_MS = 6000;
const MAX_FAILED_TARGETS = 3;
const FAILED = "The gaze was not steady at enough of the dots. Add light from the front, and sit still.";

/** The person stopped the calibration. */
export class CalibrationStopped extends Error {}

/** Shows targets in `dot` and instructions in `hint`; both lie in a dialog that covers the page. */
export class Calibration {
  #client;
  #dot;
  #hint;
  #abort = new AbortController();
  #onConfirm = null;

  constructor(client, { dot, hint }) {
    this.#client = client;
    this.#dot = dot;
    this.#hint = hint;
  }

  /** Stop: `run` rejects with `CalibrationStopped`. */
  stop(reason = "") {
    this.#abort.abort(new CalibrationStopped(reason));
  }

  /** In manual mode: the person looks at the target now. */
  confirm() {
    this.#onConfirm?.();
  }

  /** Show all targets. Resolves to the server's `calibration_result`. */
  async run({ manual }) {
    const { signal } = this.#abort;
    try {
      await this.#faceMeasured(signal);
      await this.#client.calibrate("start");
      const fit = FIT_TARGETS.map((position) => ({ position, validation: false }));
      const validation = VALIDATION_TARGETS.map((position) => ({ position, validation: true }));
      const targets = [...fit, ...validation].map((target, targetId) => ({ ...target, targetId, tries: 0 }));
      const count = targets.length;
      let [collected, failed, unsteady] = [0, 0, false];
      for (let target = targets.shift(); target; target = targets.shift()) {
        const before = unsteady ? "The gaze was not steady. " : "";
        this.#say(`${before}Dot ${collected + 1} of ${count}${manual ? ": look at it and press Space" : ""}`);
        unsteady = !(await this.#collect(target, { manual, signal }));
        if (!unsteady) collected += 1;
        else if (target.tries < RETRIES) targets.push({ ...target, tries: target.tries + 1 });
        else failed += 1;
        if (failed > MAX_FAILED_TARGETS) throw new Error(FAILED);
      }
      signal.throwIfAborted();
      return await this.#client.calibrate("finish");
    } catch (error) {
      if (this.#client.state === "open") this.#client.calibrate("cancel").catch(() => {});
      throw error;
    } finally {
      this.#dot.hidden = true;
    }
  }

  // The server estimates gaze only when it knows the face's shape.
  async #faceMeasured(signal) {
    this.#dot.hidden = true;
    await this.#until("gaze_estimate", signal, ({ face, faceModelProgress }) => {
      this.#say(face ? "Measuring your face…" : "No face in view");
      return faceModelProgress >= 1 || undefined;
    });
  }

  async #collect({ position, validation, targetId }, { manual, signal }) {
    const [x, y] = [position[0] * innerWidth, position[1] * innerHeight];
    const dot = this.#dot;
    dot.hidden = false;
    dot.dataset.state = "settle";
    dot.style.setProperty("--share", 0);
    dot.style.left = `${x}px`;
    dot.style.top = `${y}px`;
    // Restart its animation.
    dot.getAnimations({ subtree: true }).forEach((animation) => { animation.cancel(); animation.play(); });
    if (manual) await this.#confirmation(signal);
    else await pause(SETTLE_MS, signal);
    dot.dataset.state = "collect";
    this.#client.collectTarget(targetId, { timeNs: nsOf(performance.now()), x, y, validation });
    const state = await this.#until("target_progress", signal, (message) => {
      if (message.targetId !== targetId) return undefined;
      dot.style.setProperty("--share", message.progress);
      return message.state === "collecting" ? undefined : message.state;
    });
    dot.dataset.state = state;
    return state === "collected";
  }

  // Resolve to the first result of `select(detail)` that is not undefined; reject when no such event comes in time.
  #until(type, signal, select) {
    return new Promise((resolve, reject) => {
      const listening = new AbortController();
      const fail = (error) => { listening.abort(); clearTimeout(timer); reject(error); };
      const timedOut = () => fail(new Error("The server does not answer. Is the camera covered, or the network slow?"));
      let timer = setTimeout(timedOut, ANSWER_TIMEOUT_MS);
      signal.addEventListener("abort", () => fail(signal.reason), { signal: listening.signal });
      if (signal.aborted) fail(signal.reason);
      this.#client.addEventListener(type, ({ detail }) => {
        clearTimeout(timer);
        timer = setTimeout(timedOut, ANSWER_TIMEOUT_MS);
        const value = select(detail);
        if (value === undefined) return;
        listening.abort();
        clearTimeout(timer);
        resolve(value);
      }, { signal: listening.signal });
    });
  }

  #confirmation(signal) {
    return new Promise((resolve, reject) => {
      this.#onConfirm = resolve;
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  #say(text) {
    if (this.#hint.textContent !== text) this.#hint.textContent = text;
  }
}

/** Describe the accuracy of a calibration in words, for a viewing distance of half a metre. */
export function describeAccuracy({ accuracyDeg, worstDeg, noiseDeg, accuracyPx }) {
  const degrees = accuracyDeg < 0.95 ? accuracyDeg.toFixed(1) : String(Math.round(accuracyDeg * 2) / 2);
  const [rating, use] = accuracyDeg <= 1 ? ["Very good", "you can select objects of the size of a thumb"]
    : accuracyDeg <= 3 ? ["Good", "you can select objects of the size of a hand"]
      : accuracyDeg <= 6 ? ["Coarse", "you can select a few large objects"]
        : ["Too inaccurate", "try again with more light from the front, and sit still"];
  return {
    title: accuracyDeg <= 6 ? `${rating}: an error of about ${degrees} degree${degrees === "1" ? "" : "s"}` : rating,
    text: `That is ${Math.round(accuracyPx)} pixels on this screen: ${use}.`,
    detail: `Largest error of a dot: ${worstDeg.toFixed(1)}°. Noise of single samples: ${noiseDeg.toFixed(1)}°.`,
    usable: accuracyDeg <= 6,
  };
}

/** Draw a small plot of the dots and of the gaze at each dot. */
export function plotErrors(canvas, { targets }, [width, height], colours) {
  const ratio = Math.min(2, devicePixelRatio || 1);
  const across = canvas.clientWidth * ratio;
  Object.assign(canvas, { width: across, height: (across * height) / width });
  const context = canvas.getContext("2d");
  const scale = across / width;
  for (const { x, y, gazeX, gazeY, validation, rejected } of targets) {
    const tone = validation ? colours.validation : colours.fit;
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
    const onAbort = () => { clearTimeout(timer); reject(signal.reason); };
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
