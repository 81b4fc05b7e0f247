// Webcam gaze from consent to use: the camera, the face's state, the calibration, and what is told of them.

import { nsOf } from "./bytes.js";
import { Calibration, Stopped, inWords, plot } from "./calibration.js";
import { FaceCamera } from "./face-camera.js";
import { FaceState, drawFace } from "./face-state.js";
import { keep, keptFor, whenOf } from "./kept-calibration.js";

const EYE_KINDS = [0x09, 0x0e];
const TELL_EVERY_MS = 1000;
const FACE_EVERY_MS = 1500;
const $ = (id) => document.getElementById(id);

/**
 * Tells "on" and "off". `client()` is the connection, `eye` the WebcamEye that is fed, `screenPlace` where the page is;
 * `server` names the server, `say` tells a screen reader.
 */
export class WebcamGaze extends EventTarget {
  #client;
  #eye;
  #screen;
  #say;
  #camera = new FaceCamera($("face"));
  #state = new FaceState();
  #faces = { since: 0, count: 0, ms: [] };
  #kept = null;
  #calibration = null;
  #lastNs = 0n;
  #toldFace = { text: "", at: 0 };

  constructor({ client, eye, screenPlace, server, say }) {
    super();
    this.#client = client;
    this.#eye = eye;
    this.#screen = screenPlace;
    this.#say = say;
    this.on = false;
    $("consent-server").textContent = server;
    this.#camera.addEventListener("face", ({ detail }) => this.#send(detail.ms));
    this.#camera.addEventListener("lost", () => this.stop("The camera is gone. The mouse is the eye again."));
    $("gaze-calibrate").addEventListener("click", () => this.calibrate());
    $("gaze-stop").addEventListener("click", () => this.stop("Webcam gaze is off: no pictures are taken any more."));
    $("face-camera").addEventListener("change", ({ target }) => this.#change(target.value));
    this.#wire($("calibration"));
  }

  /** Which camera looks at the person. */
  get deviceId() {
    return this.on ? this.#camera.deviceId : "";
  }

  /** Ask, open the camera and calibrate. Resolves to whether webcam gaze is on. */
  async start() {
    if (this.on) return true;
    if (!(await this.#agreed())) return false;
    try {
      await this.#camera.open();
    } catch (error) {
      this.#refused(error);
      return false;
    }
    this.on = true;
    $("gaze-card").hidden = false;
    await this.#offerCameras();
    this.#announce();
    this.dispatchEvent(new Event("on"));
    this.#setUp();
    return true;
  }

  /** Show how the face is seen, and calibrate. */
  calibrate() {
    if (this.on) this.#setUp();
  }

  /** Tell whether the pictures that are looked at come from the camera that looks at the person. */
  note(sceneDeviceId) {
    const same = this.on && sceneDeviceId && sceneDeviceId === this.#camera.deviceId;
    this.#note(same ? "The scene is the camera that looks at you: choose a video, or another camera." : "");
  }

  /** Take no more pictures; `text` says why. */
  stop(text = "") {
    if (!this.on) return;
    this.on = false;
    this.#calibration?.stop();
    if ($("calibration").open) $("calibration").close();
    this.#camera.stop();
    this.#eye.forget();
    if (this.#client().state === "open") this.#client().eye(null);
    $("gaze-card").hidden = true;
    this.#note(text);
    if (text) this.#say(text);
    this.dispatchEvent(new Event("off"));
  }

  /** Say again to a new connection what the old one knew. */
  connected() {
    if (!this.on) return;
    this.#calibration?.stop("The connection was lost. Try again.");
    this.#announce();
    if (this.#kept) this.#client().calibrate("restore", this.#kept.kept).catch(() => { this.#kept = null; });
  }

  /** Tell the server where frames are, when that has changed. */
  tick() {
    const stage = this.on && this.#client().state === "open" ? this.#eye.moved() : null;
    if (stage) this.#client().stage(stage);
  }

  /** Take what the server saw. */
  sight(sight) {
    if (!this.on) return;
    const now = performance.now();
    this.#faces.count += 1;
    this.#faces.ms.push(now - Number(sight.timeNs) / 1e6);
    if (!this.#calibration) this.#eye.note(sight);
    const { gaze } = sight;
    $("stage").dataset.gaze = gaze ? `${Math.round(gaze.x)} ${Math.round(gaze.y)}` : "";
    const { state, text } = this.#state.of(sight, this.#camera.size);
    for (const id of ["face-state", "face-state-large"]) {
      if ($(id).textContent !== text) Object.assign($(id), { textContent: text }).dataset.state = state;
    }
    this.#tellFace(text.replace(/\s*\d+ %$/, ""), now);
    const style = getComputedStyle($("gaze-card"));
    const colours = { box: style.getPropertyValue("--kept"), iris: style.getPropertyValue("--gaze") };
    for (const id of ["face-overlay", "face-overlay-large"]) drawFace($(id), sight.face, this.#camera.size, colours);
    if (now - this.#faces.since > TELL_EVERY_MS) this.#tellRate(now);
  }

  /** What the server does not accept; returns whether it was about this. */
  refused({ about, name, message }) {
    if (about < EYE_KINDS[0] || about > EYE_KINDS[1]) return false;
    if (name === "busy" || (name === "engine" && about === 0x0a)) this.stop(`Webcam gaze is off: ${message}`);
    return true;
  }

  /** Tell that something was clicked at a place of the page: it was looked at. */
  clicked(clientX, clientY, ms) {
    const place = this.#eye.onScreen(clientX, clientY);
    if (this.on) this.#client().clicked({ timeNs: nsOf(ms), ...place });
  }

  /** Tell that a thing with a box in frame pixels was selected. */
  selected(box, ms) {
    if (this.on && this.#eye.stage) this.#client().clicked(this.#eye.clickOn(box, ms));
  }

  #announce() {
    this.#eye.forget();
    this.#lastNs = 0n;
    this.#client().eye(this.#screen.description);
  }

  async #send(ms) {
    const client = this.#client();
    if (!this.on || !client.faceReady) return;
    const picture = await this.#camera.capture();
    if (!picture || !this.on) return;
    const { width, height, blob } = picture;
    const data = await blob.arrayBuffer();
    const timeNs = nsOf(ms);
    if (timeNs <= this.#lastNs) return;
    this.#lastNs = timeNs;
    client.face({ timeNs, width, height, data });
  }

  // A screen reader hears of the face while it is set up, and not of every change.
  #tellFace(text, now) {
    if (text === this.#toldFace.text || now - this.#toldFace.at < FACE_EVERY_MS) return;
    this.#toldFace = { text, at: now };
    $("face-said").textContent = $("calibration").dataset.page === "intro" ? text : "";
  }

  #tellRate(now) {
    const { since, count, ms } = this.#faces;
    const middle = ms.toSorted((one, other) => one - other)[ms.length >> 1];
    const perS = Math.round((1000 * count) / (now - since));
    if (since) $("gaze-rate").textContent = `${perS} looks/s, ${Math.round(middle)} ms late`;
    this.#faces = { since: now, count: 0, ms: [] };
  }

  /* Asking */

  #agreed() {
    const dialog = $("consent");
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        const yes = dialog.returnValue === "yes";
        if (!yes) this.#say("The mouse stays the eye.");
        resolve(yes);
      }, { once: true });
    });
  }

  #refused(error) {
    const denied = error.name === "NotAllowedError" || error.name === "SecurityError";
    const none = error.name === "NotFoundError" || error.name === "OverconstrainedError";
    const used = error.name === "NotReadableError";
    const text = denied ? "The camera was not allowed, so the mouse stays the eye. Your browser's address bar lets you allow it."
      : none ? "There is no camera, so the mouse stays the eye."
        : used ? "Another program uses the camera. Close it and try again; the mouse stays the eye."
          : `The camera cannot be used (${error.message}); the mouse stays the eye.`;
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
    const names = cameras.map(({ deviceId, label }, index) => new Option(label || `Camera ${index + 1}`, deviceId));
    select.replaceChildren(...names);
    select.value = this.#camera.deviceId;
    select.closest("label").hidden = cameras.length < 2;
    this.#note("");
  }

  async #change(deviceId) {
    try {
      await this.#camera.open(deviceId);
      this.#kept = null;
      this.#announce();
      this.#setUp();
    } catch (error) {
      this.stop();
      this.#refused(error);
    }
  }

  /* Calibrating */

  #wire(dialog) {
    $("calibration-begin").addEventListener("click", () => this.#calibrate());
    $("calibration-last").addEventListener("click", () => this.#useLast());
    for (const id of ["calibration-later", "calibration-use"]) $(id).addEventListener("click", () => dialog.close());
    $("calibration-again").addEventListener("click", () => this.#calibrate());
    dialog.addEventListener("cancel", (event) => {
      if (!this.#calibration) return;
      event.preventDefault();
      this.#calibration.stop();
    });
    dialog.addEventListener("close", () => this.#leave());
    dialog.addEventListener("keydown", (event) => {
      if (!this.#calibration) return;
      if (event.key === "Escape") this.#calibration.stop();
      else if (event.key === " " || event.key === "Enter") this.#calibration.confirm();
      else return;
      event.preventDefault();
    });
    dialog.addEventListener("pointerdown", () => this.#calibration?.confirm());
    document.addEventListener("fullscreenchange", () => {
      if (!document.fullscreenElement && this.#screen.whole) this.#calibration?.stop();
    });
    document.addEventListener("visibilitychange", () => document.hidden && this.#calibration?.stop());
  }

  #setUp(problem = "") {
    const dialog = $("calibration");
    const kept = keptFor(this.#screen.key);
    $("calibration-last").hidden = !kept;
    if (kept) $("calibration-last-text").textContent = `about ${kept.accuracyDeg.toFixed(1)}°, ${whenOf(kept)}`;
    $("calibration-problem").textContent = problem;
    $("calibration-problem").hidden = !problem;
    $("face-large").srcObject = this.#camera.stream;
    this.#page("intro");
    if (!dialog.open) dialog.showModal();
    $("face-large").play().catch(() => {});
    $("calibration-begin").focus();
  }

  #page(name) {
    for (const page of ["intro", "run", "result"]) $(`calibration-${page}`).hidden = page !== name;
    $("calibration").dataset.page = name;
  }

  async #calibrate() {
    const client = this.#client();
    const before = this.#screen.size.join();
    await this.#screen.fill();
    if (this.#screen.size.join() !== before) this.#announce();
    this.#page("run");
    $("calibration").focus();
    this.#calibration = new Calibration(client, { dot: $("dot"), hint: $("calibration-hint") });
    try {
      const manual = $("calibration-manual").checked;
      this.#show(await this.#calibration.run({ manual }));
    } catch (error) {
      this.#calibration = null;
      await this.#screen.leave().catch(() => {});
      if (this.on) this.#setUp(error instanceof Stopped ? error.message || "The calibration was stopped." : error.message);
    } finally {
      this.#calibration = null;
    }
  }

  #show(result) {
    const { title, text, detail, usable } = inWords(result);
    $("calibration-title-result").textContent = title;
    $("calibration-text").textContent = text;
    $("calibration-detail").textContent = detail;
    $("calibration-use").textContent = usable ? "Use it" : "Use it all the same";
    this.#page("result");
    const style = getComputedStyle($("calibration"));
    const colours = { learn: style.getPropertyValue("--soft"), check: style.getPropertyValue("--accent") };
    plot($("calibration-plot"), result, this.#screen.size, colours);
    (usable ? $("calibration-use") : $("calibration-again")).focus();
    const { accuracyDeg, kept } = result;
    this.#kept = { screen: this.#screen.key, measured: this.#screen.measured, kept, accuracyDeg };
    if (usable) keep(this.#kept);
    this.#tellAccuracy(`Calibrated: about ${accuracyDeg.toFixed(1)}° off.`);
  }

  async #useLast() {
    const kept = keptFor(this.#screen.key);
    this.#screen.restore(kept.measured);
    this.#announce();
    try {
      await this.#client().calibrate("restore", kept.kept);
    } catch (error) {
      this.#setUp(`The last calibration cannot be used: ${error.message}`);
      return;
    }
    this.#kept = kept;
    this.#tellAccuracy(`Calibrated ${whenOf(kept)}: about ${kept.accuracyDeg.toFixed(1)}° off. Sit as you sat then.`);
    $("calibration").close();
  }

  #tellAccuracy(text) {
    $("gaze-accuracy").textContent = text;
    this.#say(text);
  }

  #leave() {
    this.#calibration?.stop();
    $("face-large").srcObject = null;
    this.#screen.leave().catch(() => {});
    if (!this.#kept) this.#tellAccuracy("Not calibrated: the gaze of an average person, 8° off.");
    if (this.on) this.dispatchEvent(new Event("ready"));
  }
}
