// The page: connects camera, gaze, server or browser session, overlay and latency graph.

import { Announcer } from "./announcer.js";
import { BrowserSession } from "./browser-session.js";
import { Decoder } from "./decoder.js";
import { DwellTimer } from "./dwell-timer.js";
import { LatencyGraph } from "./latency-graph.js";
import { ObjectsPanel } from "./objects-panel.js";
import { Overlay } from "./overlay.js";
import { PointerGazeSource } from "./pointer-gaze-source.js";
import { SamEdgeClient, fillRuns, nsOf } from "./sam-edge-client.js";
import { SceneCamera } from "./scene-camera.js";
import { ScreenMapping } from "./screen-mapping.js";
import { WebcamGazeSource } from "./webcam-gaze-source.js";
import { WebcamPanel } from "./webcam-panel.js";

const OUTDATED_AFTER_MS = 600;
const SHORT_STAGES = ["gaze", "propagate", "show", "pack"];
const STATE_NAMES = { none: "no object", hover: "looking", focused: "outlined", held: "held", lost: "lost" };
const PINNABLE_STATES = ["hover", "focused", "held"];
const NO_SELECTION = { objects: [], at: 0 };
const $ = (id) => document.getElementById(id);
const KEYS_TEXT = {
  pointer: $("keys").textContent,
  webcam: "With the video focused: Space pins the object you look at, Backspace unpins, P pauses, C calibrates.",
};

const viewport = $("viewport");
const video = $("video");
const canvas = $("overlay");
const camera = new SceneCamera(video);
const frameGeometry = { boxOf: () => canvas.getBoundingClientRect(), sizeOf: () => camera.size };
const pointerGaze = new PointerGazeSource(viewport, frameGeometry);
const screenMapping = new ScreenMapping();
const webcamGaze = new WebcamGazeSource({ ...frameGeometry, screenMapping });
const overlay = new Overlay(canvas);
const graph = new LatencyGraph($("latency"), $("legend"), $("latency-median"));
const dwellTimer = new DwellTimer();
const announcer = new Announcer($("announcement"));
const objectsPanel = new ObjectsPanel({ client: () => client, say: (text) => announcer.say(text), unpin });
const webcamPanel = new WebcamPanel({
  client: () => client, gazeSource: webcamGaze, screenMapping, server: location.host, say: (text) => announcer.say(text),
});

let gazeSource = pointerGaze;
let token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
let info = null;
let client = null;
let browserSession = null;
let mode = "server";
let paused = false;
let current = NO_SELECTION;
let capturing = false;
let lastSentMs = 0;
const captureMs = new Map();
const maskRate = { sinceMs: performance.now(), count: 0, perS: 0 };

/* Server */

async function fetchInfo() {
  const response = await fetch("/api/info", { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (response.status === 401) return null;
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  return response.json();
}

async function fetchInfoWithRetries() {
  for (let tries = 0; ; tries += 1) {
    try {
      const answer = await fetchInfo();
      if (answer) return answer;
      token = await askForToken();
    } catch (error) {
      showConnection("waiting", `No server: ${error.message}. Trying again…`);
      await new Promise((resolve) => setTimeout(resolve, Math.min(8000, 500 * 2 ** tries)));
    }
  }
}

function askForToken() {
  const dialog = $("ask-token");
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve($("token").value.trim()), { once: true });
  });
}

function showConnection(state, text) {
  if ($("connection-text").textContent === text) return;
  $("connection").dataset.state = state;
  $("connection-text").textContent = text;
}

function startClient() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  client = new SamEdgeClient(`${scheme}//${location.host}${info.protocol.stream}`, {
    token, engine: chosenEngine(), size: chosenSize(), maskFormat: "runs", name: "page", confirmation: Boolean(info.confirmation),
  });
  client.addEventListener("state", ({ detail }) => showState(detail));
  client.addEventListener("selection", ({ detail }) => showServerSelection(detail));
  client.addEventListener("skipped", ({ detail }) => captureMs.delete(detail.frameId));
  client.addEventListener("gaze_estimate", ({ detail }) => webcamPanel.update(detail));
  client.addEventListener("error", ({ detail }) => {
    if (!detail.fatal && !webcamPanel.handleError(detail)) showProblem(`Server: ${detail.message}`);
  });
  client.connect();
}

let countdown = 0;

function showState(detail) {
  clearInterval(countdown);
  const { state } = detail;
  if (state === "open") webcamPanel.connected();
  if (mode === "browser") {
    // The connection is used for webcam gaze only; the shown state is that of the decoder.
    showBadge(state === "waiting" ? "Connection lost: no gaze" : "");
  } else if (state === "open") {
    showConnection("open", `${detail.model} on ${detail.engine} (${detail.precision})`);
    announcer.say("Connected.");
    showBadge("");
    current = NO_SELECTION;
    objectsPanel.clear();
  } else if (state === "connecting") {
    showConnection("connecting", detail.tries ? "Reconnecting…" : "Connecting…");
  } else if (state === "waiting") {
    const dueMs = performance.now() + detail.waitMs;
    const update = () => {
      const left = Math.max(1, Math.ceil((dueMs - performance.now()) / 1000));
      showConnection("waiting", `Connection lost. Trying again in ${left} s`);
    };
    update();
    countdown = setInterval(update, 500);
    showBadge("Connection lost: the masks are outdated");
    announcer.say("Connection lost. Trying again.");
  } else if (state === "refused") {
    showConnection("refused", `Not connected: ${detail.reason}`);
    announcer.say(`Not connected: ${detail.reason}`);
  }
}

/* Selection */

function showServerSelection(selection) {
  const objects = selection.objects.map((object) => {
    const { x, y, width, height } = object.mask;
    const bytes = width ? fillRuns(object.mask) : new Uint8Array(0);
    const faint = object.gazeTarget && (selection.state === "hover" || !selection.confirmed);
    return { ...object, mask: { x, y, width, height, bytes }, faint };
  });
  showSelection({ ...selection, objects });
  objectsPanel.update(selection, performance.now());
  const { wait = 0, picture: image = 0, motion = 0, closeup = 0, uplink = 0 } = selection.stages;
  const capture = captureMs.get(selection.frameId) ?? 0;
  captureMs.delete(selection.frameId);
  const session = SHORT_STAGES.reduce((sum, name) => sum + (selection.stages[name] ?? 0), 0);
  const network = Math.max(0, uplink - capture);
  graph.add({ capture, uplink: network, wait, image, motion, closeup, session, downlink: selection.downMs ?? 0 });
}

function showBrowserSelection(selection) {
  const before = current.objects;
  showSelection(selection);
  if (pinnedIds(before) !== pinnedIds(selection.objects)) objectsPanel.showPinned(pinnedOf(selection.objects));
  if (Object.keys(selection.stages).length) graph.add(selection.stages);
}

function showSelection(selection) {
  const now = performance.now();
  const pinned = pinnedOf(selection.objects);
  const gazeTarget = selection.objects.find((object) => object.gazeTarget);
  const { width, height } = selection;
  current = { objects: selection.objects, size: [width, height], at: now, state: selection.state, gazeTarget };
  countMask(now);
  const score = gazeTarget ? `, ${Math.min(1, gazeTarget.score).toFixed(2)}` : "";
  const age = selection.origin === "propagated" ? `, ${Math.round(selection.ageMs)} ms old` : "";
  $("now").textContent = `${STATE_NAMES[selection.state]}${score}${age} · ${maskRate.perS} masks/s`;
  $("pin").disabled = !gazeTarget;
  $("unpin").disabled = pinned.length === 0;
  viewport.dataset.state = selection.state;
  const summary = ({ objectId = 0, box }) => `${objectId}:${box.map(Math.round)}`;
  viewport.dataset.pinned = pinned.map(summary).join(" ");
  viewport.dataset.gazeTarget = gazeTarget ? summary(gazeTarget) : "";
  if (gazeTarget && selection.state === "focused") {
    const { objectId, score: predicted } = gazeTarget;
    announcer.outlined(objectId, objectId ? objectsPanel.nameOf(objectId) : "an object", predicted);
  }
}

function countMask(now) {
  maskRate.count += 1;
  if (now - maskRate.sinceMs < 1000) return;
  maskRate.perS = Math.round((1000 * maskRate.count) / (now - maskRate.sinceMs));
  Object.assign(maskRate, { sinceMs: now, count: 0 });
}

const pinnedOf = (objects) => objects.filter((object) => object.pinned);
const pinnedIds = (objects) => pinnedOf(objects).map(({ objectId }) => objectId).join();

function showBadge(text) {
  $("badge").textContent = text;
  $("badge").hidden = !text;
}

function showProblem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
  if (text && $("start").hidden) {
    showBadge(text);
    announcer.say(text);
  }
}

/* Actions */

async function pin(point = null) {
  announcePinned(mode === "browser" ? pinInBrowser(point) : await pinOnServer(point));
}

function pinInBrowser(point) {
  if (current.gazeTarget && !point) webcamPanel.reportPin(current.gazeTarget.box, performance.now());
  return browserSession?.pin();
}

function pinOnServer(point) {
  const now = performance.now();
  const usesGaze = !point && current.gazeTarget && PINNABLE_STATES.includes(current.state);
  if (usesGaze) webcamPanel.reportPin(current.gazeTarget.box, now);
  const place = usesGaze ? null : point ?? gazeSource.point;
  return client.pin(place ? { point: place } : { atNs: nsOf(now) });
}

function announcePinned(objectId) {
  announcer.say(objectId ? `Pinned ${objectsPanel.nameOf(objectId)}.` : "There is no object to pin.");
}

async function unpin(objectId = 0) {
  if (mode === "browser") browserSession?.unpin(objectId);
  else await client.unpin(objectId);
  announcer.say(objectId ? `Unpinned ${objectsPanel.nameOf(objectId)}.` : "Unpinned all objects.");
}

function togglePause() {
  paused = !paused;
  if (paused) camera.pause();
  else camera.resume();
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").querySelector("span").textContent = paused ? "Resume" : "Pause";
  showBadge(paused ? "Paused" : "");
  announcer.say(paused ? "Paused." : "Resumed.");
}

async function openSource(source) {
  showProblem("");
  if (source === "file") {
    $("file").click();
    return;
  }
  await openScene(() => (source === "camera" ? camera.openCamera() : camera.openDemo()));
}

async function openScene(open) {
  try {
    await open();
  } catch (error) {
    const denied = error.name === "NotAllowedError";
    const text = "Access to the camera was denied. A video file or the demo clip works without a camera.";
    showProblem(denied ? text : String(error.message));
    $("source").value = camera.source;
    return;
  }
  $("source").value = camera.source;
  if (webcamPanel.on) webcamPanel.checkScene(camera.deviceId);
  $("start").hidden = true;
  $("pause").disabled = false;
  viewport.classList.add("live");
  if (paused) togglePause();
  graph.clear();
  if (mode === "server" && client?.state === "open") client.reset();
  showBadge("");
  updateLayout();
  viewport.focus({ preventScroll: true });
}

async function changeMode(next) {
  if (next === mode) return;
  mode = next;
  graph.clear();
  captureMs.clear();
  current = NO_SELECTION;
  objectsPanel.clear();
  browserSession?.close();
  browserSession = null;
  if (mode === "server") {
    $("mode-hint").textContent = "The server follows the objects through the video.";
    client.connect();
    return;
  }
  if (!webcamPanel.on) client.close();
  await startBrowserSession();
}

// The gaze source that is active at the time of the call.
const activeGaze = { get point() { return gazeSource.point; } };

async function startBrowserSession() {
  showConnection("connecting", "Loading the decoder…");
  try {
    const decoder = await Decoder.open(info, { token });
    if (mode !== "browser") {
      decoder.close();
      return;
    }
    const options = { camera, gazeSource: activeGaze, size: chosenSize(), engine: chosenEngine() };
    browserSession = new BrowserSession(decoder, options);
    browserSession.addEventListener("selection", ({ detail }) => showBrowserSelection(detail));
    browserSession.addEventListener("problem", ({ detail }) => showProblem(detail.message));
    browserSession.addEventListener("failed", ({ detail }) => useServerInstead(detail.message));
    const backend = decoder.provider === "webgpu" ? "WebGPU" : `WebAssembly, ${decoder.threads} threads`;
    showConnection("open", `decoder in this browser: ${backend}`);
    $("mode-hint").textContent = `The server encodes images; this browser decodes masks on ${backend}.`;
    announcer.say("The decoder runs in this browser.");
    browserSession.run();
  } catch (error) {
    await useServerInstead(error.message);
  }
}

// Masks come from the server where this browser has no memory for the decoder, or cannot run it.
async function useServerInstead(reason) {
  if (mode !== "browser") return;
  document.querySelector('input[value="server"]').checked = true;
  await changeMode("server");
  const words = "The decoder cannot run in this browser: masks come from the server.";
  $("mode-hint").textContent = `${words} (${reason})`;
  showProblem(words);
  announcer.say(words);
}

/* Gaze */

async function changeGazeSource(kind) {
  if (kind === "pointer") {
    webcamPanel.stop("Webcam gaze is off. No images are taken.");
    return;
  }
  // Masks from the browser need a connection only for webcam gaze.
  if (mode === "browser") client.connect();
  if (!(await webcamPanel.start())) {
    $("gaze-source").value = "pointer";
    if (mode === "browser") client.close();
  }
}

function switchGazeSource() {
  gazeSource = webcamPanel.on ? webcamGaze : pointerGaze;
  const kind = webcamPanel.on ? "webcam" : "pointer";
  $("gaze-source").value = kind;
  viewport.dataset.gazeSource = kind;
  $("keys").textContent = KEYS_TEXT[kind];
  if (webcamPanel.on) return;
  if (mode === "browser") client.close();
  else if (client.state === "open" && camera.source !== "none") client.reset();
}

function calibrate() {
  webcamPanel.calibrate();
}

async function useWebcamGaze() {
  if (camera.source === "none") await openSource("demo");
  // A degree of visual angle has another size in the frames than with the mouse, so a new session starts.
  else if (mode === "server" && client.state === "open") client.reset();
  webcamPanel.checkScene(camera.deviceId);
  viewport.focus({ preventScroll: true });
}

/* Settings */

const chosenEngine = () => $("engine").value;

function chosenSize() {
  const { value } = $("size");
  return value ? value.split("x").map(Number) : null;
}

function setOptions(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value, false, value === chosen)));
}

function showSettings() {
  setOptions($("engine"), info.engines.map(({ name }) => [name, name]), info.engine);
  const sizes = info.sizes.map((size) => [size.join("x"), size.join(" × ")]);
  setOptions($("size"), [["", "automatic"], ...sizes], info.default_size?.join("x") ?? "");
  const webcam = document.querySelector('#gaze-source option[value="webcam"]');
  webcam.disabled = !info.webcam;
  if (!info.webcam) webcam.textContent += " (not on this server)";
  const browser = document.querySelector('input[value="browser"]');
  browser.disabled = !info.decoder;
  $("mode-hint").textContent = info.decoder
    ? "The server follows the objects through the video."
    : "The server's model has no decoder for browsers.";
}

function settingsChanged() {
  const settings = { size: chosenSize(), engine: chosenEngine() };
  if (mode === "browser") browserSession?.configure(settings);
  else client.configure(settings);
}

/* Frames */

function updateLayout() {
  const { videoWidth, videoHeight } = video;
  if (!videoWidth) return;
  viewport.style.setProperty("--shape", `${videoWidth} / ${videoHeight}`);
  const scale = Math.min(viewport.clientWidth / videoWidth, viewport.clientHeight / videoHeight);
  const [width, height] = [videoWidth * scale, videoHeight * scale];
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.style.left = `${(viewport.clientWidth - width) / 2}px`;
  canvas.style.top = `${(viewport.clientHeight - height) / 2}px`;
}

async function sendFrame({ detail: { ms } }) {
  if (mode !== "server" || capturing || !client?.ready) return;
  if (client.framesPerS && ms - lastSentMs < 900 / client.framesPerS) return;
  capturing = true;
  lastSentMs = ms;
  try {
    const image = await camera.capture();
    if (!image || mode !== "server") return;
    const { width, height } = image;
    const data = await image.blob.arrayBuffer();
    webcamPanel.updateViewport();
    client.sendGaze(gazeSource.takeSamples());
    const id = client.sendFrame({ timeNs: nsOf(ms), width, height, data });
    if (id) captureMs.set(id, performance.now() - ms);
  } finally {
    capturing = false;
  }
}

function tick(now) {
  if (camera.source !== "none") {
    gazeSource.tick(now);
    webcamPanel.updateViewport();
    if (mode !== "server") gazeSource.takeSamples();
    else if (!paused && client?.state === "open") client.sendGaze(gazeSource.takeSamples());
    if (dwellTimer.update(gazeSource.point, now, camera.size[0], gazeSource.spread)) pin();
    const size = current.size ?? camera.size;
    const faded = now - current.at > OUTDATED_AFTER_MS && !paused && mode === "server";
    const ring = dwellTimer.ring(now, camera.size[0]);
    const { trail, point, spread } = gazeSource;
    overlay.draw(now, { size, objects: current.objects, trail, point, spread, ring, faded });
  }
  graph.draw(now);
  requestAnimationFrame(tick);
}

/* Events */

for (const button of document.querySelectorAll("[data-source]")) {
  button.addEventListener("click", () => openSource(button.dataset.source));
}
$("source").addEventListener("change", ({ target }) => openSource(target.value));
$("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  if (file) openScene(() => camera.openFile(file));
  target.value = "";
});
$("file").addEventListener("cancel", () => { $("source").value = camera.source; });
for (const input of document.querySelectorAll("[name=mode]")) {
  input.addEventListener("change", () => changeMode(input.value));
}
for (const id of ["engine", "size"]) $(id).addEventListener("change", settingsChanged);
$("gaze-source").addEventListener("change", ({ target }) => changeGazeSource(target.value));
for (const name of ["on", "off"]) webcamPanel.addEventListener(name, switchGazeSource);
webcamPanel.addEventListener("ready", useWebcamGaze);
$("dwell").addEventListener("change", ({ target }) => { dwellTimer.dwellMs = Number(target.value); });
$("pin").addEventListener("click", () => pin());
$("unpin").addEventListener("click", () => unpin());
$("pause").addEventListener("click", togglePause);
// A mouse click pins the gaze target. A tap, or a click with webcam gaze, pins the object at its point.
viewport.addEventListener("click", ({ pointerType, clientX, clientY, timeStamp }) => {
  if (!viewport.classList.contains("live")) return;
  if (webcamPanel.on) webcamPanel.reportClick(clientX, clientY, timeStamp);
  pin(webcamPanel.on || pointerType === "touch" ? pointerGaze.point : null);
});
viewport.addEventListener("keydown", (event) => {
  const live = viewport.classList.contains("live");
  if (!live || event.target !== viewport || event.ctrlKey || event.metaKey) return;
  const actions = {
    " ": pin, Enter: pin, Backspace: unpin, Delete: unpin, p: togglePause, P: togglePause, c: calibrate, C: calibrate,
  };
  if (!actions[event.key]) return;
  event.preventDefault();
  if (!event.repeat) actions[event.key]();
});
camera.addEventListener("frame", sendFrame);
camera.addEventListener("change", updateLayout);
camera.addEventListener("lost", () => showProblem("The camera was disconnected."));
video.addEventListener("resize", updateLayout);
new ResizeObserver(updateLayout).observe(viewport);

info = await fetchInfoWithRetries();
objectsPanel.configure(info.objects);
showSettings();
startClient();
requestAnimationFrame(tick);
document.documentElement.dataset.ready = "yes";
