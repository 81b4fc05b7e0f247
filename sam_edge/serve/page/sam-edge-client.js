// A client of `sam-edge serve` for pages and for programs in JavaScript: frames and gaze in, selections out.
//
//   const client = new SamEdgeClient("ws://127.0.0.1:8765/api/stream", { size: [672, 448] });
//   client.addEventListener("selection", ({ detail }) => draw(detail.objects));
//   client.connect();
//   client.gaze([{ timeNs: nsOf(performance.now()), x, y }]);
//   client.frame({ timeNs: nsOf(performance.now()), width, height, data: jpeg });
//
// It connects again by itself, keeps to the window, and relates the clocks. Types are in sam-edge-client.d.ts.

import * as wire from "./protocol.js";

export { decodeMessage, fillRuns, msOf, nsOf, runsOf } from "./protocol.js";

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15000;
const HELLO_MS = 8000;
const SILENCE_MS = 8000;
const PING_EVERY_MS = 1000;
const PINGS_KEPT = 12;
const FACES_IN_FLIGHT = 2;
const FACE_KIND = 0x09;
const CALIBRATE_KIND = 0x0c;
const FINAL = new Set([2, 3, 7]); // version, unauthorized, setting: trying again would fail again

export class SamEdgeClient extends EventTarget {
  #url;
  #options;
  #socket = null;
  #timers = new Map();
  #tries = 0;
  #frameId = 0;
  #triggerId = 0;
  #pingId = 0;
  #pings = [];
  #waiting = null;
  #inFlight = new Map();
  #answers = new Map();
  #faceId = 0;
  #faces = [];
  #calibrations = [];
  #lastHeard = 0;
  #lastFrameNs = null;

  constructor(url, options = {}) {
    super();
    this.#url = url;
    this.#options = { ...options };
    this.state = "closed";
    this.welcome = null;
    this.window = 0;
    this.framesPerS = 0;
    this.clock = null;
  }

  /** Connect, and go on doing so until `close`. */
  connect() {
    if (this.#socket || this.#timers.has("retry")) return;
    this.#tries = 0;
    this.#open();
  }

  /** Leave, and stay away. */
  close() {
    this.#drop();
    this.#set("closed", {});
  }

  /** Change engine, size, token or what selections hold. Engine, size and token take effect with a new connection. */
  configure(changes) {
    const anew = ["engine", "size", "token"].some((key) => key in changes && changes[key] !== this.#options[key]);
    Object.assign(this.#options, changes);
    if (anew && this.state !== "closed") {
      this.#drop();
      this.#tries = 0;
      this.#open();
    } else if (this.state === "open") {
      this.#send(wire.encodeConfigure(this.#options));
    }
  }

  /** Whether the server takes another frame now. Frames offered before that wait, the newest one alone. */
  get ready() {
    return this.state === "open" && this.#inFlight.size < this.window;
  }

  /** Frames sent and not yet answered. */
  get inFlight() {
    return this.#inFlight.size;
  }

  /** Send a frame, or keep it until the server wants one. Returns its number, or 0 while there is no connection. */
  frame(frame) {
    if (this.state !== "open" || (this.#lastFrameNs !== null && frame.timeNs <= this.#lastFrameNs)) return 0;
    this.#frameId = (this.#frameId + 1) >>> 0 || 1;
    const numbered = { ...frame, id: this.#frameId };
    if (this.ready) this.#sendFrame(numbered);
    else this.#waiting = numbered;
    return numbered.id;
  }

  /** Send samples of gaze, oldest first: `{timeNs, x, y, confidence?, covariance?}`; NaN while there is none. */
  gaze(samples) {
    if (samples.length) this.#send(wire.encodeGaze(samples));
  }

  /** Send rays of gaze; needs `camera` first. */
  rays(rays, options) {
    if (rays.length) this.#send(wire.encodeRays(rays, options));
  }

  /** Say what rays are projected into. */
  camera(camera) {
    this.#send(wire.encodeCamera(camera));
  }

  /** Keep what is meant, what was meant at `atNs`, or what is at a point or in a ray. Resolves to its number, or 0. */
  select(options = {}) {
    return this.#trigger("select", options);
  }

  /** Let go of one kept thing, or of all. */
  release(objectId = 0) {
    return this.#trigger("release", { objectId });
  }

  /** Forget everything. */
  restart() {
    return this.#trigger("restart", {});
  }

  /**
   * Let a camera that looks at the person be watched: `{width, height, widthMm, cameraAboveMm?, cameraAsideMm?, fovDeg?}`
   * of the screen, or null to end. Ask the person first. `info.eye` of `/api/info` says whether the server knows it.
   */
  eye(screen) {
    this.#faces = [];
    this.#send(wire.encodeEye(screen));
  }

  /** Whether the server takes another face now. */
  get faceReady() {
    return this.state === "open" && this.#faces.length < FACES_IN_FLIGHT;
  }

  /** Send a picture of the person, a JPEG. Returns its number, or 0 where it was not taken. */
  face(face) {
    if (!this.faceReady) return 0;
    this.#faceId = (this.#faceId + 1) >>> 0 || 1;
    this.#faces.push(this.#faceId);
    this.#send(wire.encodeFace(this.#faceId, face));
    return this.#faceId;
  }

  /** Say where frames are shown on the screen: `{x, y, scaleX, scaleY}`. */
  stage(place) {
    this.#send(wire.encodeStage(place));
  }

  /** "begin", "finish", "abandon" or "restore" (with what was kept). Resolves to what came of it; rejects with why not. */
  calibrate(action, kept = "") {
    if (this.state !== "open") return Promise.reject(new Error("there is no connection"));
    this.#send(wire.encodeCalibrate(action, kept));
    return new Promise((resolve, reject) => this.#calibrations.push({ resolve, reject }));
  }

  /** Say that the person looks at a target, `{timeNs, x, y, check?}`, from a time on. */
  target(number, target) {
    this.#send(wire.encodeTarget(number, target));
  }

  /** Say that something on the screen was clicked or selected, `{timeNs, x, y, sizePx?}`: it was looked at. */
  clicked(click) {
    this.#send(wire.encodeClicked(click));
  }

  /** Nanoseconds of the server's clock as this client's, and how far that may be off; null before the first pong. */
  fromServer(ns) {
    return this.clock ? ns - this.clock.offsetNs : null;
  }

  #open() {
    this.#timers.delete("retry");
    this.#set("connecting", { tries: this.#tries });
    const WebSocketClass = this.#options.WebSocket ?? globalThis.WebSocket;
    let socket;
    try {
      socket = new WebSocketClass(this.#url);
    } catch (error) {
      this.#lost(String(error.message ?? error), false);
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(wire.encodeHello(this.#options));
    socket.onmessage = ({ data }) => this.#hear(socket, data);
    socket.onclose = ({ code, reason }) => {
      if (socket === this.#socket) this.#lost(reason || `the connection ended (${code})`, FINAL.has(code - 4000), code);
    };
    this.#after("hello", HELLO_MS, () => this.#lost("the server does not answer", false));
  }

  #hear(socket, data) {
    if (socket !== this.#socket) return;
    this.#lastHeard = performance.now();
    let message;
    try {
      message = wire.decodeMessage(data);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#lost(`the server says what this page does not understand: ${error.message}`, true);
      return;
    }
    this.#take(message);
  }

  #take(message) {
    if (message.kind === "welcome") this.#begin(message);
    else if (message.kind === "pong") this.#relate(message);
    else if (message.kind === "grant") Object.assign(this, { window: message.window, framesPerS: message.framesPerS });
    else if (message.kind === "triggered") this.#answer(message.triggerId, message.objectId);
    else if (message.kind === "sight") this.#seen(message.faceId);
    else if (message.kind === "calibrated") this.#calibrations.shift()?.resolve(message);
    else if (message.kind === "error") this.#failed(message);
    if (message.kind === "selection") this.#tell("selection", this.#timed(message));
    else if (message.kind !== "pong") this.#tell(message.kind, message);
    const answered = message.kind === "error" && message.about === 0x02 ? message.id : message.frameId;
    if (answered !== undefined) this.#inFlight.delete(answered);
    if (message.kind === "error" && message.fatal) this.#lost(message.message, FINAL.has(message.code), 4000 + message.code);
    else this.#flush();
  }

  #failed({ about, id, message }) {
    if (about === 0x06) this.#answer(id, 0);
    else if (about === FACE_KIND) this.#seen(id);
    else if (about === CALIBRATE_KIND) this.#calibrations.shift()?.reject(new Error(message));
  }

  // A face is answered together with all before it.
  #seen(faceId) {
    const at = this.#faces.indexOf(faceId);
    if (at >= 0) this.#faces.splice(0, at + 1);
  }

  #begin(welcome) {
    this.#clear("hello");
    this.#tries = 0;
    this.welcome = welcome;
    this.window = welcome.window;
    this.framesPerS = 0;
    this.#set("open", welcome);
    for (let index = 0; index < 4; index += 1) this.#ping();
    this.#every("ping", PING_EVERY_MS, () => {
      if (performance.now() - this.#lastHeard > SILENCE_MS) this.#lost("the server fell silent", false);
      else this.#ping();
    });
  }

  #ping() {
    this.#pingId = (this.#pingId + 1) >>> 0;
    const { offsetNs, uncertaintyNs } = this.clock ?? {};
    this.#send(wire.encodePing(this.#pingId, { timeNs: wire.nsOf(performance.now()), offsetNs, uncertaintyNs }));
  }

  #relate({ t0, t1, t2 }) {
    const t3 = wire.nsOf(performance.now());
    this.#pings.push({ offsetNs: (t1 - t0 + (t2 - t3)) / 2n, uncertaintyNs: (t3 - t0 - (t2 - t1)) / 2n });
    if (this.#pings.length > PINGS_KEPT) this.#pings.shift();
    this.clock = this.#pings.reduce((best, one) => (one.uncertaintyNs < best.uncertaintyNs ? one : best));
  }

  #timed(selection) {
    const now = wire.nsOf(performance.now());
    const totalMs = wire.msOf(now - selection.timeNs);
    const sent = this.fromServer(selection.sentNs);
    const downMs = sent === null ? null : Math.max(0, wire.msOf(now - sent));
    return { ...selection, totalMs, downMs };
  }

  #sendFrame(frame) {
    this.#inFlight.set(frame.id, frame.timeNs);
    this.#lastFrameNs = frame.timeNs;
    this.#send(wire.encodeFrame(frame.id, frame));
  }

  #flush() {
    if (!this.#waiting || !this.ready) return;
    const frame = this.#waiting;
    this.#waiting = null;
    this.#sendFrame(frame);
  }

  #trigger(action, options) {
    if (this.state !== "open") return Promise.resolve(0);
    this.#triggerId = (this.#triggerId + 1) >>> 0 || 1;
    const id = this.#triggerId;
    this.#send(wire.encodeTrigger(id, action, options));
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }

  #answer(id, objectId) {
    this.#answers.get(id)?.(objectId);
    this.#answers.delete(id);
  }

  #send(buffer) {
    if (this.state === "open" && this.#socket?.readyState === 1) this.#socket.send(buffer);
  }

  #lost(reason, final, code = 0) {
    this.#drop();
    if (final) {
      this.#set("refused", { reason, code });
      return;
    }
    const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#tries);
    const waitMs = longest * (0.75 + 0.25 * Math.random());
    this.#tries += 1;
    this.#set("waiting", { reason, code, waitMs, tries: this.#tries });
    this.#after("retry", waitMs, () => this.#open());
  }

  #drop() {
    for (const name of [...this.#timers.keys()]) this.#clear(name);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    for (const resolve of this.#answers.values()) resolve(0);
    this.#answers.clear();
    for (const { reject } of this.#calibrations) reject(new Error("the connection was lost"));
    this.#calibrations = [];
    this.#faces = [];
    this.#inFlight.clear();
    this.#waiting = null;
    this.#pings = [];
    this.#lastFrameNs = null;
    this.clock = null;
    this.window = 0;
  }

  #set(state, detail) {
    this.state = state;
    this.#tell("state", { state, ...detail });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #after(name, ms, call) {
    this.#clear(name);
    this.#timers.set(name, [clearTimeout, setTimeout(call, ms)]);
  }

  #every(name, ms, call) {
    this.#clear(name);
    this.#timers.set(name, [clearInterval, setInterval(call, ms)]);
  }

  #clear(name) {
    const [stop, timer] = this.#timers.get(name) ?? [];
    stop?.(timer);
    this.#timers.delete(name);
  }
}
