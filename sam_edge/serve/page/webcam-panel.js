// The webcam gaze panel, from consent to use: the webcam, feedback on the face, the calibration, and their texts.

import { nsOf } from "./bytes.js";
import { dateInWords, loadCalibration, saveCalibration } from "./calibration-store.js";
import { Calibration, CalibrationStopped, describeAccuracy, plotErrors } from "./calibration.js";
import { FaceCamera } from "./face-camera.js";
import { FaceFeedback, drawFace } from "./face-feedback.js";
import { KINDS } from "./protocol.js";

const RATE_INTERVAL_MS = 1000;
const ANNOUNCE_INTERVAL_MS = 1500;
const $ = (id) => document.getElementById(id);

/**
 * Emits "on", "off" and "ready" (the calibration dialog was closed). `client()` is the connection, `gazeSource` the
 * `WebcamGazeSource` that it updates, `screenMapping` maps the page to the screen; `server` is the server's name,
 * `say` announces texts to screen readers.
 */
export class WebcamPanel extends EventTarget {
  #client;
  #gazeSource;
  #screen;
  #say;
  #camera = new FaceCamera($("face"));
  #feedback = new FaceFeedback();
  #rate = { sinceMs: 0, count: 0, latenciesMs: [] };
  #entry = null;
  #calibration = null;
  #lastNs = 0n;
  #announced = { text: "", atMs: 0 };

  constructor({ client, gazeSource, screenMapping, server, say }) {
    super();
    this.#client = client;
    this.#gazeSource = gazeSource;
    this.#screen = screenMapping;
    this.#say = say;
    this.on = false;
    $("consent-server").textContent = server;
    this.#camera.addEventListener("frame", ({ detail }) => this.#sendFaceFrame(detail.ms));
    this.#camera.addEventListener("lost", () => this.stop("The camera was disconnected. The mouse is the gaze again."));
    $("gaze-calibrate").addEventListener("click", () => this.calibrate());
    $("gaze-stop").addEventListener("click", () => this.stop("Webcam gaze is off. No images are taken."));
    $("face-camera").addEventListener("change", ({ target }) => this.#changeCamera(target.value));
    this.#connectDialog($("calibration"));
  }

  /** Ask for consent, open the webcam and show the calibration. Resolves to whether webcam gaze is on. */
  async start() {
    if (this.on) return true;
    if (!(await this.#askForConsent())) return false;
    try {
      await this.#camera.open();
    } catch (error) {
      this.#reportCameraError(error);
      return false;
    }
    this.on = true;
    $("gaze-card").hidden = false;
    await this.#offerCameras();
    this.#startWebcam();
    this.dispatchEvent(new Event("on"));
    this.#showIntro();
    return true;
  }

  /** Show the calibration dialog. */
  calibrate() {
    if (this.on) this.#showIntro();
  }

  /** Warn if the scene camera is the webcam that sees the person. */
  checkScene(sceneDeviceId) {
    const same = this.on && sceneDeviceId && sceneDeviceId === this.#camera.deviceId;
    this.#note(same ? "The scene is the camera that sees your face. Choose a video or another camera." : "");
  }

  /** Stop the webcam; `text` is the reason. */
  stop(text = "") {
    if (!this.on) return;
    this.on = false;
    this.#calibration?.stop();
    if ($("calibration").open) $("calibration").close();
    this.#camera.stop();
    this.#gazeSource.clear();
    if (this.#client().state === "open") this.#client().setWebcam(null);
    $("gaze-card").hidden = true;
    this.#note(text);
    if (text) this.#say(text);
    this.dispatchEvent(new Event("off"));
  }

  /** A new connection is open: send the screen and the calibration again. */
  connected() {
    if (!this.on) return;
    this.#calibration?.stop("The connection was lost. Try again.");
    this.#startWebcam();
    if (!this.#entry) return;
    this.#client().calibrate("restore", this.#entry.calibration).catch(() => { this.#entry = null; });
  }

  /** Send the viewport if it has changed. */
  updateViewport() {
    const viewport = this.on && this.#client().state === "open" ? this.#gazeSource.changedViewport() : null;
    if (viewport) this.#client().setViewport(viewport);
  }

  /** Handle a `gaze_estimate` message. */
  update(estimate) {
    if (!this.on) return;
    const now = performance.now();
    this.#rate.count += 1;
    this.#rate.latenciesMs.push(now - Number(estimate.timeNs) / 1e6);
    if (!this.#calibration) this.#gazeSource.update(estimate);
    const { gaze } = estimate;
    $("viewport").dataset.gaze = gaze ? `${Math.round(gaze.x)} ${Math.round(gaze.y)}` : "";
    const { state, text } = this.#feedback.update(estimate, this.#camera.size);
    for (const id of ["face-state", "face-state-large"]) {
      if ($(id).textContent !== text) Object.assign($(id), { textContent: text }).dataset.state = state;
    }
    this.#announceFace(text.replace(/\s*\d+ %$/, ""), now);
    const style = getComputedStyle($("gaze-card"));
    const colours = { box: style.getPropertyValue("--pinned"), iris: style.getPropertyValue("--gaze") };
    for (const id of ["face-overlay", "face-overlay-large"]) drawFace($(id), estimate.face, this.#camera.size, colours);
    if (now - this.#rate.sinceMs > RATE_INTERVAL_MS) this.#showRate(now);
  }

  /** Handle an error message. Returns whether it was about webcam gaze. */
  handleError({ aboutKind, name, message }) {
    if (aboutKind < KINDS.face_frame || aboutKind > KINDS.click) return false;
    const fatal = name === "too_many_webcams" || (name === "engine_failed" && aboutKind === KINDS.webcam);
    if (fatal) this.stop(`Webcam gaze is off: ${message}`);
    return true;
  }

  /** Report a click at a point of the page. */
  reportClick(clientX, clientY, ms) {
    if (this.on) this.#client().reportClick({ timeNs: nsOf(ms), ...this.#gazeSource.toScreen(clientX, clientY) });
  }

  /** Report that an object with a box in frame pixels was pinned. */
  reportPin(box, ms) {
    if (this.on && this.#gazeSource.viewport) this.#client().reportClick(this.#gazeSource.clickOn(box, ms));
  }

  #startWebcam() {
    this.#gazeSource.clear();
    this.#lastNs = 0n;
    this.#client().setWebcam(this.#screen.description);
  }

  async #sendFaceFrame(ms) {
    const client = this.#client();
    if (!this.on || !client.faceFrameReady) return;
    const image = await this.#camera.capture();
    if (!image || !this.on) return;
    const { width, height, blob } = image;
    const data = await blob.arrayBuffer();
    const timeNs = nsOf(ms);
    if (timeNs <= this.#lastNs) return;
    this.#lastNs = timeNs;
    client.sendFaceFrame({ timeNs, width, height, data });
  }

  // Screen readers announce the face's state only in the intro, and not every change.
  #announceFace(text, now) {
    if (text === this.#announced.text || now - this.#announced.atMs < ANNOUNCE_INTERVAL_MS) return;
    this.#announced = { text, atMs: now };
    $("face-announcement").textContent = $("calibration").dataset.page === "intro" ? text : "";
  }

  #showRate(now) {
    const { sinceMs, count, latenciesMs } = this.#rate;
    const median = latenciesMs.toSorted((a, b) => a - b)[latenciesMs.length >> 1];
    const perS = Math.round((1000 * count) / (now - sinceMs));
    if (sinceMs) $("gaze-rate").textContent = `${perS} samples/s, latency ${Math.round(median)} ms`;
    this.#rate = { sinceMs: now, count: 0, latenciesMs: [] };
  }

  /* Consent */

  #askForConsent() {
    const dialog = $("consent");
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        const yes = dialog.returnValue === "yes";
        if (!yes) this.#say("The mouse stays the gaze.");
        resolve(yes);
      }, { once: true });
    });
  }

  #reportCameraError(error) {
    const denied = error.name === "NotAllowedError" || error.name === "SecurityError";
    const missing = error.name === "NotFoundError" || error.name === "OverconstrainedError";
    const busy = error.name === "NotReadableError";
    const text = denied ? "Access to the camera was denied; the mouse stays the gaze. Allow it in the browser's address bar."
      : missing ? "No camera was found; the mouse stays the gaze."
        : busy ? "Another program uses the camera. Close it and try again; the mouse stays the gaze."
          : `The camera cannot be used (${error.message}); the mouse stays the gaze.`;
    this.#note(text);
    this.#say(text);
  }

  #note(text) {
    $("gaze-note").textContent = text;
    $("gaze-note").hidden = !text;
  }

  /* Cameras */

  async #offerCameras() {
    const cameras = await this.#camera.cameras();
    const select = $("face-camera");
    const options = cameras.map(({ deviceId, label }, index) => new Option(label || `Camera ${index + 1}`, deviceId));
    select.replaceChildren(...options);
    select.value = this.#camera.deviceId;
    select.closest("label").hidden = cameras.length < 2;
    this.#note("");
  }

  async #changeCamera(deviceId) {
    try {
      await this.#camera.open(deviceId);
      this.#entry = null;
      this.#startWebcam();
      this.#showIntro();
    } catch (error) {
      this.stop();
      this.#reportCameraError(error);
    }
  }

  /* Calibration */

  #connectDialog(dialog) {
    $("calibration-start").addEventListener("click", () => this.#calibrate());
    $("calibration-last").addEventListener("click", () => this.#restoreLast());
    for (const id of ["calibration-later", "calibration-use"]) $(id).addEventListener("click", () => dialog.close());
    $("calibration-again").addEventListener("click", () => this.#calibrate());
    dialog.addEventListener("cancel", (event) => {
      if (!this.#calibration) return;
      event.preventDefault();
      this.#calibration.stop();
    });
    dialog.addEventListener("close", () => this.#closed());
    dialog.addEventListener("keydown", (event) => {
      if (!this.#calibration) return;
      if (event.key === "Escape") this.#calibration.stop();
      else if (event.key === " " || event.key === "Enter") this.#calibration.confirm();
      else return;
      event.preventDefault();
    });
    dialog.addEventListener("pointerdown", () => this.#calibration?.confirm());
    document.addEventListener("fullscreenchange", () => {
      if (!document.fullscreenElement && this.#screen.fullscreen) this.#calibration?.stop();
    });
    document.addEventListener("visibilitychange", () => document.hidden && this.#calibration?.stop());
  }

  #showIntro(problem = "") {
    const dialog = $("calibration");
    const stored = loadCalibration(this.#screen.key);
    $("calibration-last").hidden = !stored;
    if (stored) $("calibration-last-text").textContent = `about ${stored.accuracyDeg.toFixed(1)}°, ${dateInWords(stored)}`;
    $("calibration-problem").textContent = problem;
    $("calibration-problem").hidden = !problem;
    $("face-large").srcObject = this.#camera.stream;
    this.#showPage("intro");
    if (!dialog.open) dialog.showModal();
    $("face-large").play().catch(() => {});
    $("calibration-start").focus();
  }

  #showPage(name) {
    for (const page of ["intro", "run", "result"]) $(`calibration-${page}`).hidden = page !== name;
    $("calibration").dataset.page = name;
  }

  async #calibrate() {
    const client = this.#client();
    const before = this.#screen.size.join();
    await this.#screen.enterFullscreen();
    if (this.#screen.size.join() !== before) this.#startWebcam();
    this.#showPage("run");
    $("calibration").focus();
    this.#calibration = new Calibration(client, { dot: $("dot"), hint: $("calibration-hint") });
    try {
      const manual = $("calibration-manual").checked;
      this.#showResult(await this.#calibration.run({ manual }));
    } catch (error) {
      this.#calibration = null;
      await this.#screen.leaveFullscreen().catch(() => {});
      const stopped = error instanceof CalibrationStopped;
      if (this.on) this.#showIntro(stopped ? error.message || "The calibration was stopped." : error.message);
    } finally {
      this.#calibration = null;
    }
  }

  #showResult(result) {
    const { title, text, detail, usable } = describeAccuracy(result);
    $("calibration-title-result").textContent = title;
    $("calibration-text").textContent = text;
    $("calibration-detail").textContent = detail;
    $("calibration-use").textContent = usable ? "Use it" : "Use it anyway";
    this.#showPage("result");
    const style = getComputedStyle($("calibration"));
    const colours = { fit: style.getPropertyValue("--soft"), validation: style.getPropertyValue("--accent") };
    plotErrors($("calibration-plot"), result, this.#screen.size, colours);
    (usable ? $("calibration-use") : $("calibration-again")).focus();
    const { accuracyDeg, calibration } = result;
    this.#entry = { screen: this.#screen.key, measured: this.#screen.measured, calibration, accuracyDeg };
    if (usable) saveCalibration(this.#entry);
    this.#showAccuracy(`Calibrated: error about ${accuracyDeg.toFixed(1)}°.`);
  }

  async #restoreLast() {
    const stored = loadCalibration(this.#screen.key);
    this.#screen.restore(stored.measured);
    this.#startWebcam();
    try {
      await this.#client().calibrate("restore", stored.calibration);
    } catch (error) {
      this.#showIntro(`The last calibration cannot be used: ${error.message}`);
      return;
    }
    this.#entry = stored;
    const accuracy = `error about ${stored.accuracyDeg.toFixed(1)}°`;
    this.#showAccuracy(`Calibrated ${dateInWords(stored)}: ${accuracy}. Sit as you sat then.`);
    $("calibration").close();
  }

  #showAccuracy(text) {
    $("gaze-accuracy").textContent = text;
    this.#say(text);
  }

  #closed() {
    this.#calibration?.stop();
    $("face-large").srcObject = null;
    this.#screen.leaveFullscreen().catch(() => {});
    if (!this.#entry) this.#showAccuracy("Not calibrated: the average person's gaze, error about 8°.");
    if (this.on) this.dispatchEvent(new Event("ready"));
  }
}
