// A client of `sam-edge serve` for pages and JavaScript programs: sends frames and gaze, receives selections.
//
//   const client = new SamEdgeClient("ws://127.0.0.1:8765/api/stream", { size: [672, 448] });
//   client.addEventListener("selection", ({ detail }) => draw(detail.objects));
//   client.connect();
//   client.sendGaze([{ timeNs: nsOf(performance.now()), x, y }]);
//   client.sendFrame({ timeNs: nsOf(performance.now()), width, height, data: jpeg });
//
// The client reconnects by itself, keeps to the server's window, and synchronizes the clocks. Types are in
// sam-edge-client.d.ts.

import * as wire from "./protocol.js";

export { decodeMessage, fillRuns, msOf, nsOf, runsOf } from "./protocol.js";

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15000;
const HELLO_TIMEOUT_MS = 8000;
const SILENCE_TIMEOUT_MS = 8000;
const PING_INTERVAL_MS = 1000;
const FIRST_PINGS = 4;
const PINGS_KEPT = 12;
const FACE_FRAMES_IN_FLIGHT = 2;
const CLOSE_CODE_BASE = 4000;
const UNSUPPORTED_VERSION = 2;
// unsupported_version, unauthorized, invalid_option: another attempt would fail in the same way.
const FINAL_CODES = new Set([UNSUPPORTED_VERSION, 3, 7]);

export class SamEdgeClient extends EventTarget {
  #url;
  #options;
  #socket = null;
  #timers = new Map();
  #tries = 0;
  #frameId = 0;
  #commandId = 0;
  #pingId = 0;
  #roundTrips = [];
  #waitingFrame = null;
  #inFlight = new Map();
  #commands = new Map();
  #objectCommands = new Map();
  #objectInfo = null;
  #unconfirmed = null;
  #faceFrameId = 0;
  #faceFramesInFlight = [];
  #calibrations = [];
  #lastReceivedMs = 0;
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

  /** Connect, and reconnect until `close`. */
  connect() {
    if (this.#socket || this.#timers.has("retry")) return;
    this.#tries = 0;
    this.#open();
  }

  /** Disconnect and do not reconnect. */
  close() {
    this.#drop();
    this.#setState("closed", {});
  }

  /** Change options. A new engine, size or token opens a new connection. */
  configure(changes) {
    const reconnect = ["engine", "size", "token"].some((key) => key in changes && changes[key] !== this.#options[key]);
    Object.assign(this.#options, changes);
    if (reconnect && this.state !== "closed") {
      this.#drop();
      this.#tries = 0;
      this.#open();
    } else if (this.state === "open") {
      this.#send(wire.encodeConfigure(this.#options));
    }
  }

  /** Whether the server accepts another frame now. Of the frames sent before that, the newest one waits. */
  get ready() {
    return this.state === "open" && this.#inFlight.size < this.window;
  }

  /** Frames sent and not yet answered. */
  get inFlight() {
    return this.#inFlight.size;
  }

  /** Send a frame, or keep it until the server accepts one. Returns its number; 0 without a connection. */
  sendFrame(frame) {
    if (this.state !== "open" || (this.#lastFrameNs !== null && frame.timeNs <= this.#lastFrameNs)) return 0;
    this.#frameId = (this.#frameId + 1) >>> 0 || 1;
    const numbered = { ...frame, id: this.#frameId };
    if (this.ready) this.#sendNow(numbered);
    else this.#waitingFrame = numbered;
    return numbered.id;
  }

  /** Send gaze samples, oldest first: `{timeNs, x, y, confidence?, covariance?}`; x and y are NaN without gaze. */
  sendGaze(samples) {
    if (samples.length) this.#send(wire.encodeGaze(samples));
  }

  /** Send gaze rays; call `setCamera` first. */
  sendRays(rays, options) {
    if (rays.length) this.#send(wire.encodeRays(rays, options));
  }

  /** Set the camera into which rays are projected. */
  setCamera(camera) {
    this.#send(wire.encodeCamera(camera));
  }

  /** Pin the object under the gaze now, or at `atNs`, or at a point or on a ray. Resolves to its number, or 0. */
  pin(options = {}) {
    return this.#command("pin", options);
  }

  /** Unpin one object, or all of them (0). */
  unpin(objectId = 0) {
    return this.#command("unpin", { objectId });
  }

  /** Start a new session: forget all objects. */
  reset() {
    return this.#command("reset", {});
  }

  /**
   * Ask for the known objects. Resolves to a list of them; rejects on an error. From the first call of this method,
   * `rename`, `merge` or `forget` of a connection on, selections have labels and events; with the option
   * `objects: true` from its beginning. `/api/info` has the key `objects` where the server supports it.
   */
  listObjects() {
    return this.#objectCommand("list", {});
  }

  /** Give an object a label; null takes it away. Resolves and rejects as `listObjects`. */
  rename(objectId, label) {
    return this.#objectCommand("rename", { objectId, label });
  }

  /** Make one object of two; the first one's number is kept. Resolves and rejects as `listObjects`. */
  merge(objectId, otherId) {
    return this.#objectCommand("merge", { objectId, otherId });
  }

  /** Forget an object, and unpin it. Resolves and rejects as `listObjects`. */
  forget(objectId) {
    return this.#objectCommand("forget", { objectId });
  }

  /**
   * Start webcam gaze on a screen `{width, height, widthMm, cameraAboveMm?, cameraAsideMm?, fovDeg?}`; null stops it.
   * Ask the person first. `/api/info` has the key `webcam` where the server supports it.
   */
  setWebcam(screen) {
    this.#faceFramesInFlight = [];
    this.#send(wire.encodeWebcam(screen));
  }

  /** Whether the server accepts another face frame now. */
  get faceFrameReady() {
    return this.state === "open" && this.#faceFramesInFlight.length < FACE_FRAMES_IN_FLIGHT;
  }

  /** Send a webcam image of the person, a JPEG. Returns its number; 0 if it was not sent. */
  sendFaceFrame(frame) {
    if (!this.faceFrameReady) return 0;
    this.#faceFrameId = (this.#faceFrameId + 1) >>> 0 || 1;
    this.#faceFramesInFlight.push(this.#faceFrameId);
    this.#send(wire.encodeFaceFrame(this.#faceFrameId, frame));
    return this.#faceFrameId;
  }

  /** Set where frames are shown on the screen: `{x, y, scaleX, scaleY}`. */
  setViewport(viewport) {
    this.#send(wire.encodeViewport(viewport));
  }

  /** "start", "finish", "cancel" or "restore" (with a saved calibration). Resolves to the result; rejects on an error. */
  calibrate(action, calibration = "") {
    if (this.state !== "open") return Promise.reject(new Error("there is no connection"));
    this.#send(wire.encodeCalibrate(action, calibration));
    return new Promise((resolve, reject) => this.#calibrations.push({ resolve, reject }));
  }

  /** Collect gaze at a calibration target `{timeNs, x, y, validation?}`, which the person looks at from `timeNs` on. */
  collectTarget(targetId, target) {
    this.#send(wire.encodeTarget(targetId, target));
  }

  /** Report a click or a pinned object on the screen, `{timeNs, x, y, sizePx?}`: it corrects the drift of the gaze. */
  reportClick(click) {
    this.#send(wire.encodeClick(click));
  }

  /** Convert nanoseconds of the server's clock to this client's clock; null before the first pong. */
  toClientTime(ns) {
    return this.clock ? ns - this.clock.offsetNs : null;
  }

  #open() {
    this.#timers.delete("retry");
    this.#setState("connecting", { tries: this.#tries });
    const WebSocketClass = this.#options.WebSocket ?? globalThis.WebSocket;
    let socket;
    try {
      socket = new WebSocketClass(this.#url);
    } catch (error) {
      this.#disconnected(String(error.message ?? error), false);
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(wire.encodeHello(this.#options));
    socket.onmessage = ({ data }) => this.#receive(socket, data);
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return;
      this.#disconnected(reason || `the connection ended (${code})`, FINAL_CODES.has(code - CLOSE_CODE_BASE), code);
    };
    this.#after("hello", HELLO_TIMEOUT_MS, () => this.#disconnected("the server does not answer", false));
  }

  #receive(socket, data) {
    if (socket !== this.#socket) return;
    this.#lastReceivedMs = performance.now();
    let message;
    try {
      message = wire.decodeMessage(data);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#disconnected(`the server sent a message that this client cannot read: ${error.message}`, true);
      return;
    }
    this.#handle(message);
  }

  #handle(message) {
    const { kind } = message;
    if (kind === "welcome") this.#welcomed(message);
    else if (kind === "pong") this.#synchronize(message);
    else if (kind === "grant") Object.assign(this, { window: message.window, framesPerS: message.framesPerS });
    else if (kind === "command_result") this.#resolveCommand(message.commandId, message.objectId);
    else if (kind === "object_list") this.#takeObjectCommand(message.commandId)?.resolve(message.objects);
    else if (kind === "object_info") this.#objectInfo = message;
    else if (kind === "unconfirmed") this.#unconfirmed = message;
    else if (kind === "gaze_estimate") this.#faceFrameAnswered(message.faceFrameId);
    else if (kind === "calibration_result") this.#calibrations.shift()?.resolve(message);
    else if (kind === "error") this.#handleError(message);
    if (kind === "selection") this.#emit("selection", this.#withLatency(this.#withConfirmation(this.#withObjectInfo(message))));
    else if (!["pong", "object_info", "unconfirmed"].includes(kind)) this.#emit(kind, message);
    if (kind === "selection" || kind === "skipped") this.#inFlight.delete(message.frameId);
    if (kind === "error" && message.fatal) this.#disconnectedBy(message);
    else this.#flush();
  }

  #handleError({ aboutKind, aboutId, message }) {
    if (aboutKind === wire.KINDS.frame) this.#inFlight.delete(aboutId);
    else if (aboutKind === wire.KINDS.command) this.#resolveCommand(aboutId, 0);
    else if (aboutKind === wire.KINDS.object_command) this.#takeObjectCommand(aboutId)?.reject(new Error(message));
    else if (aboutKind === wire.KINDS.face_frame) this.#faceFrameAnswered(aboutId);
    else if (aboutKind === wire.KINDS.calibrate) this.#calibrations.shift()?.reject(new Error(message));
  }

  #disconnectedBy({ code, message }) {
    const versions = `this client speaks protocol version ${wire.VERSION}; use server and client of the same release`;
    const reason = code === UNSUPPORTED_VERSION ? `${message} (${versions})` : message;
    this.#disconnected(reason, FINAL_CODES.has(code), CLOSE_CODE_BASE + code);
  }

  // An answer to a face frame answers all earlier ones too.
  #faceFrameAnswered(faceFrameId) {
    const at = this.#faceFramesInFlight.indexOf(faceFrameId);
    if (at >= 0) this.#faceFramesInFlight.splice(0, at + 1);
  }

  #welcomed(welcome) {
    this.#clear("hello");
    this.#tries = 0;
    this.welcome = welcome;
    this.window = welcome.window;
    this.framesPerS = 0;
    this.#setState("open", welcome);
    if (this.#options.objects) this.listObjects().catch(() => {});
    if (this.#options.confirmation) this.#send(wire.encodeConfirmation());
    for (let index = 0; index < FIRST_PINGS; index += 1) this.#ping();
    this.#every("ping", PING_INTERVAL_MS, () => {
      const silent = performance.now() - this.#lastReceivedMs > SILENCE_TIMEOUT_MS;
      if (silent) this.#disconnected("the server stopped answering", false);
      else this.#ping();
    });
  }

  #ping() {
    this.#pingId = (this.#pingId + 1) >>> 0;
    const { offsetNs, uncertaintyNs } = this.clock ?? {};
    this.#send(wire.encodePing(this.#pingId, { timeNs: wire.nsOf(performance.now()), offsetNs, uncertaintyNs }));
  }

  #synchronize({ t0, t1, t2 }) {
    const t3 = wire.nsOf(performance.now());
    this.#roundTrips.push({ offsetNs: (t1 - t0 + (t2 - t3)) / 2n, uncertaintyNs: (t3 - t0 - (t2 - t1)) / 2n });
    if (this.#roundTrips.length > PINGS_KEPT) this.#roundTrips.shift();
    this.clock = this.#roundTrips.reduce((best, trip) => (trip.uncertaintyNs < best.uncertaintyNs ? trip : best));
  }

  #withLatency(selection) {
    const now = wire.nsOf(performance.now());
    const totalMs = wire.msOf(now - selection.timeNs);
    const sent = this.toClientTime(selection.sentNs);
    const downMs = sent === null ? null : Math.max(0, wire.msOf(now - sent));
    return { ...selection, totalMs, downMs };
  }

  #withObjectInfo(selection) {
    const info = this.#objectInfo;
    this.#objectInfo = null;
    if (info?.frameId !== selection.frameId) return selection;
    const objects = selection.objects.map((object) => ({ ...object, label: info.labels.get(object.objectId) ?? null }));
    return { ...selection, objects, events: info.events };
  }

  #withConfirmation(selection) {
    const unconfirmed = this.#unconfirmed;
    this.#unconfirmed = null;
    return { ...selection, confirmed: unconfirmed?.frameId !== selection.frameId };
  }

  #sendNow(frame) {
    this.#inFlight.set(frame.id, frame.timeNs);
    this.#lastFrameNs = frame.timeNs;
    this.#send(wire.encodeFrame(frame.id, frame));
  }

  #flush() {
    if (!this.#waitingFrame || !this.ready) return;
    const frame = this.#waitingFrame;
    this.#waitingFrame = null;
    this.#sendNow(frame);
  }

  #command(action, options) {
    if (this.state !== "open") return Promise.resolve(0);
    this.#commandId = (this.#commandId + 1) >>> 0 || 1;
    const id = this.#commandId;
    this.#send(wire.encodeCommand(id, action, options));
    return new Promise((resolve) => this.#commands.set(id, resolve));
  }

  #resolveCommand(id, objectId) {
    this.#commands.get(id)?.(objectId);
    this.#commands.delete(id);
  }

  #objectCommand(action, options) {
    if (this.state !== "open") return Promise.reject(new Error("there is no connection"));
    this.#commandId = (this.#commandId + 1) >>> 0 || 1;
    const id = this.#commandId;
    this.#send(wire.encodeObjectCommand(id, action, options));
    return new Promise((resolve, reject) => this.#objectCommands.set(id, { resolve, reject }));
  }

  #takeObjectCommand(id) {
    const waiting = this.#objectCommands.get(id);
    this.#objectCommands.delete(id);
    return waiting;
  }

  #send(buffer) {
    if (this.state === "open" && this.#socket?.readyState === 1) this.#socket.send(buffer);
  }

  #disconnected(reason, final, code = 0) {
    this.#drop();
    if (final) {
      this.#setState("refused", { reason, code });
      return;
    }
    const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#tries);
    const waitMs = longest * (0.75 + 0.25 * Math.random());
    this.#tries += 1;
    this.#setState("waiting", { reason, code, waitMs, tries: this.#tries });
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
    for (const resolve of this.#commands.values()) resolve(0);
    this.#commands.clear();
    const lost = new Error("the connection was lost");
    for (const { reject } of [...this.#calibrations, ...this.#objectCommands.values()]) reject(lost);
    this.#calibrations = [];
    this.#objectCommands.clear();
    this.#objectInfo = null;
    this.#faceFramesInFlight = [];
    this.#inFlight.clear();
    this.#waitingFrame = null;
    this.#roundTrips = [];
    this.#lastFrameNs = null;
    this.clock = null;
    this.window = 0;
  }

  #setState(state, detail) {
    this.state = state;
    this.#emit("state", { state, ...detail });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #after(name, ms, callback) {
    this.#clear(name);
    this.#timers.set(name, [clearTimeout, setTimeout(callback, ms)]);
  }

  #every(name, ms, callback) {
    this.#clear(name);
    this.#timers.set(name, [clearInterval, setInterval(callback, ms)]);
  }

  #clear(name) {
    const [stop, timer] = this.#timers.get(name) ?? [];
    stop?.(timer);
    this.#timers.delete(name);
  }
}
