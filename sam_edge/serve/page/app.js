// The page: brings camera, eye, server or browser, overlay and graph together.

import { BrowserSession } from "./browser-session.js";
import { Camera } from "./camera.js";
import { Decoder } from "./decoder.js";
import { Dwell } from "./dwell.js";
import { Eye } from "./eye.js";
import { LatencyGraph } from "./latency.js";
import { Overlay } from "./overlay.js";
import { SamEdgeClient, fillRuns, nsOf } from "./sam-edge-client.js";
import { ScreenPlace } from "./screen-place.js";
import { Voice } from "./voice.js";
import { WebcamEye } from "./webcam-eye.js";
import { WebcamGaze } from "./webcam-gaze.js";

const SLOW_MS = 600;
const SHORT_STAGES = ["gaze", "propagate", "show", "pack"];
const STATE_WORDS = { none: "nothing", hover: "looking", selected: "outlined", held: "held", lost: "lost" };
const $ = (id) => document.getElementById(id);
const KEYS = {
  pointer: $("keys").textContent,
  webcam: "With the video focused, Space selects what you look at, Backspace releases, P pauses, C calibrates.",
};

const stage = $("stage");
const video = $("video");
const canvas = $("overlay");
const camera = new Camera(video);
const placed = { boxOf: () => canvas.getBoundingClientRect(), sizeOf: () => camera.size };
const pointer = new Eye(stage, placed);
const screenPlace = new ScreenPlace();
const gazer = new WebcamEye({ ...placed, screenPlace });
const overlay = new Overlay(canvas);
const graph = new LatencyGraph($("latency"), $("legend"), $("latency-median"));
const dwell = new Dwell();
const voice = new Voice($("said"));
const gaze = new WebcamGaze({
  client: () => client, eye: gazer, screenPlace, server: location.host, say: (text) => voice.say(text),
});

let eye = pointer;
let token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
let info = null;
let client = null;
let local = null;
let mode = "server";
let paused = false;
let seen = { things: [], at: 0, objects: 0 };
let capturing = false;
let sentAt = 0;
const captureMs = new Map();
const rate = { since: performance.now(), count: 0, perS: 0 };

/* The server */

async function ask() {
  const response = await fetch("/api/info", { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (response.status === 401) return null;
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  return response.json();
}

async function askUntilKnown() {
  for (let tries = 0; ; tries += 1) {
    try {
      const answer = await ask();
      if (answer) return answer;
      token = await askForToken();
    } catch (error) {
      connection("waiting", `No server: ${error.message}. Trying again…`);
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

function connection(state, text) {
  if ($("connection-text").textContent === text) return;
  $("connection").dataset.state = state;
  $("connection-text").textContent = text;
}

function startClient() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  client = new SamEdgeClient(`${scheme}//${location.host}${info.protocol.stream}`, {
    token, engine: chosenEngine(), size: chosenSize(), masks: "runs", name: "page",
  });
  client.addEventListener("state", ({ detail }) => showState(detail));
  client.addEventListener("selection", ({ detail }) => showServerSelection(detail));
  client.addEventListener("skipped", ({ detail }) => captureMs.delete(detail.frameId));
  client.addEventListener("sight", ({ detail }) => gaze.sight(detail));
  client.addEventListener("error", ({ detail }) => {
    if (!detail.fatal && !gaze.refused(detail)) problem(`Server: ${detail.message}`);
  });
  client.connect();
}

let countdown = 0;

function showState(detail) {
  clearInterval(countdown);
  const { state } = detail;
  if (state === "open") gaze.connected();
  if (mode === "browser") {
    // The server only tells where the eyes look; the decoder here is what the state is about.
    badge(state === "waiting" ? "Connection lost: no gaze" : "");
  } else if (state === "open") {
    connection("open", `${detail.model} on ${detail.engine} (${detail.precision})`);
    voice.say("Connected.");
    badge("");
    seen = { things: [], at: 0, objects: 0 };
    showKept();
  } else if (state === "connecting") {
    connection("connecting", detail.tries ? "Connecting again…" : "Connecting…");
  } else if (state === "waiting") {
    const due = performance.now() + detail.waitMs;
    const tell = () => {
      const left = Math.max(1, Math.ceil((due - performance.now()) / 1000));
      connection("waiting", `Connection lost. Trying again in ${left} s`);
    };
    tell();
    countdown = setInterval(tell, 500);
    badge("Connection lost: masks stand still");
    voice.say("Connection lost. Trying again.");
  } else if (state === "refused") {
    connection("refused", `Not connected: ${detail.reason}`);
    voice.say(`Not connected: ${detail.reason}`);
  }
}

/* What is seen */

function showServerSelection(selection) {
  const things = selection.objects.map((thing) => {
    const { x, y, width, height } = thing.mask;
    const bytes = width ? fillRuns(thing.mask) : new Uint8Array(0);
    return { ...thing, mask: { x, y, width, height, bytes }, faint: thing.meant && selection.state === "hover" };
  });
  show({ ...selection, things });
  const { wait = 0, picture = 0, motion = 0, closeup = 0, uplink = 0 } = selection.stages;
  const capture = captureMs.get(selection.frameId) ?? 0;
  captureMs.delete(selection.frameId);
  const rest = SHORT_STAGES.reduce((sum, name) => sum + (selection.stages[name] ?? 0), 0);
  const way = Math.max(0, uplink - capture);
  graph.add({ capture, uplink: way, wait, picture, motion, closeup, session: rest, downlink: selection.downMs ?? 0 });
}

function showBrowserSelection(selection) {
  show(selection);
  if (Object.keys(selection.stages).length) graph.add(selection.stages);
}

function show(selection) {
  const now = performance.now();
  const kept = selection.things.filter((thing) => thing.kept);
  const keptBefore = seen.things.filter((thing) => thing.kept).map(({ objectId }) => objectId).join();
  const meant = selection.things.find((thing) => thing.meant);
  const { width, height } = selection;
  seen = { things: selection.things, size: [width, height], at: now, state: selection.state, meant };
  if (kept.map(({ objectId }) => objectId).join() !== keptBefore) showKept();
  count(now);
  const score = meant ? `, ${Math.min(1, meant.score).toFixed(2)}` : "";
  const source = selection.source === "propagated" ? `, ${Math.round(selection.ageMs)} ms old` : "";
  $("now").textContent = `${STATE_WORDS[selection.state]}${score}${source} · ${rate.perS} masks/s`;
  $("select").disabled = !meant;
  stage.dataset.state = selection.state;
  const told = ({ objectId = 0, box }) => `${objectId}:${box.map(Math.round)}`;
  stage.dataset.kept = kept.map(told).join(" ");
  stage.dataset.meant = meant ? told(meant) : "";
  if (meant && selection.state === "selected") voice.thing(meant.objectId ?? "", meant.score);
}

function count(now) {
  rate.count += 1;
  if (now - rate.since < 1000) return;
  rate.perS = Math.round((1000 * rate.count) / (now - rate.since));
  Object.assign(rate, { since: now, count: 0 });
}

function showKept() {
  const kept = seen.things.filter((thing) => thing.kept);
  $("kept").replaceChildren(...kept.map((thing) => {
    const entry = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Release";
    button.setAttribute("aria-label", `Release thing ${thing.objectId}`);
    button.addEventListener("click", () => release(thing.objectId));
    entry.append(`Thing ${thing.objectId}`, button);
    return entry;
  }));
  $("kept-none").hidden = kept.length > 0;
  $("release").disabled = kept.length === 0;
}

function badge(text) {
  $("badge").textContent = text;
  $("badge").hidden = !text;
}

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
  if (text && $("start").hidden) {
    badge(text);
    voice.say(text);
  }
}

/* What one does */

async function select(point = null) {
  if (mode === "browser") {
    if (seen.meant && !point) gaze.selected(seen.meant.box, performance.now());
    const number = local?.select();
    voice.say(number ? `Selected thing ${number}.` : "There is nothing to select.");
    return;
  }
  const meant = seen.meant && ["hover", "selected", "held"].includes(seen.state);
  const place = point ?? eye.place;
  const now = performance.now();
  if (meant && !point) gaze.selected(seen.meant.box, now);
  const options = (meant && !point) || !place ? { atNs: nsOf(now) } : { point: place };
  const number = await client.select(options);
  voice.say(number ? `Selected thing ${number}.` : "There is nothing to select.");
}

async function release(objectId = 0) {
  if (mode === "browser") local?.release(objectId);
  else await client.release(objectId);
  voice.say(objectId ? `Released thing ${objectId}.` : "Released everything.");
}

function pause() {
  paused = !paused;
  if (paused) camera.pause();
  else camera.resume();
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").querySelector("span").textContent = paused ? "Go on" : "Pause";
  badge(paused ? "Paused" : "");
  voice.say(paused ? "Paused." : "Going on.");
}

async function openSource(source) {
  problem("");
  if (source === "file") {
    $("file").click();
    return;
  }
  await opened(() => (source === "camera" ? camera.openCamera() : camera.openDemo()));
}

async function opened(open) {
  try {
    await open();
  } catch (error) {
    const denied = error.name === "NotAllowedError";
    problem(denied ? "The camera was not allowed. A video file or the demo clip works without." : String(error.message));
    $("source").value = camera.source;
    return;
  }
  $("source").value = camera.source;
  if (gaze.on) gaze.note(camera.deviceId);
  $("start").hidden = true;
  $("pause").disabled = false;
  stage.classList.add("live");
  if (paused) pause();
  graph.clear();
  if (mode === "server" && client?.state === "open") client.restart();
  badge("");
  layOut();
  stage.focus({ preventScroll: true });
}

async function changeMode(next) {
  if (next === mode) return;
  mode = next;
  graph.clear();
  captureMs.clear();
  seen = { things: [], at: 0 };
  showKept();
  local?.close();
  local = null;
  if (mode === "server") {
    $("mode-hint").textContent = "The server follows what you look at through the video.";
    client.connect();
    return;
  }
  if (!gaze.on) client.close();
  await startBrowser();
}

// Whichever eye is chosen.
const looking = { get place() { return eye.place; } };

async function startBrowser() {
  connection("connecting", "Loading the decoder…");
  try {
    const decoder = await Decoder.open(info, { token });
    if (mode !== "browser") {
      decoder.close();
      return;
    }
    local = new BrowserSession(decoder, { camera, eye: looking, size: chosenSize(), engine: chosenEngine() });
    local.addEventListener("selection", ({ detail }) => showBrowserSelection(detail));
    local.addEventListener("problem", ({ detail }) => problem(detail.message));
    const where = decoder.provider === "webgpu" ? "WebGPU" : `WebAssembly, ${decoder.threads} threads`;
    connection("open", `decoder in the page: ${where}`);
    $("mode-hint").textContent = `The server encodes pictures; masks are decoded here, on ${where}.`;
    voice.say("The decoder runs in this browser.");
    local.run();
  } catch (error) {
    connection("refused", `The decoder cannot run here: ${error.message}`);
    voice.say("The decoder cannot run in this browser.");
  }
}

/* The eye */

async function changeEye(kind) {
  if (kind === "pointer") {
    gaze.stop("Webcam gaze is off: no pictures are taken any more.");
    return;
  }
  // Without it, masks from this browser need no connection.
  if (mode === "browser") client.connect();
  if (!(await gaze.start())) {
    $("eye").value = "pointer";
    if (mode === "browser") client.close();
  }
}

function switchEye() {
  eye = gaze.on ? gazer : pointer;
  $("eye").value = gaze.on ? "webcam" : "pointer";
  stage.dataset.eye = $("eye").value;
  $("keys").textContent = gaze.on ? KEYS.webcam : KEYS.pointer;
  if (gaze.on) return;
  if (mode === "browser") client.close();
  else if (client.state === "open" && camera.source !== "none") client.restart();
}

function recalibrate() {
  gaze.calibrate();
}

async function lookNow() {
  if (camera.source === "none") await openSource("demo");
  // A degree has another size in these frames than it had for a mouse.
  else if (mode === "server" && client.state === "open") client.restart();
  gaze.note(camera.deviceId);
  stage.focus({ preventScroll: true });
}

/* Settings */

const chosenEngine = () => $("engine").value;

function chosenSize() {
  const value = $("size").value;
  return value ? value.split("x").map(Number) : null;
}

function offer(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, text]) => new Option(text, value, false, value === chosen)));
}

function offerSettings() {
  offer($("engine"), info.engines.map(({ name }) => [name, name]), info.engine);
  const sizes = info.sizes.map((size) => [size.join("x"), size.join(" × ")]);
  offer($("size"), [["", "by the picture"], ...sizes], info.default_size?.join("x") ?? "");
  const webcam = document.querySelector('#eye option[value="webcam"]');
  webcam.disabled = !info.webcam;
  if (!info.webcam) webcam.textContent += " (not on this server)";
  const browser = document.querySelector('input[value="browser"]');
  browser.disabled = !info.decoder;
  $("mode-hint").textContent = info.decoder
    ? "The server follows what you look at through the video."
    : "This server's model has no decoder for browsers.";
}

function settingsChanged() {
  if (mode === "browser") local?.configure({ size: chosenSize(), engine: chosenEngine() });
  else client.configure({ size: chosenSize(), engine: chosenEngine() });
}

/* Every frame */

function layOut() {
  const { videoWidth, videoHeight } = video;
  if (!videoWidth) return;
  stage.style.setProperty("--shape", `${videoWidth} / ${videoHeight}`);
  const scale = Math.min(stage.clientWidth / videoWidth, stage.clientHeight / videoHeight);
  const [width, height] = [videoWidth * scale, videoHeight * scale];
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.style.left = `${(stage.clientWidth - width) / 2}px`;
  canvas.style.top = `${(stage.clientHeight - height) / 2}px`;
}

async function sendFrame({ detail: { ms } }) {
  if (mode !== "server" || capturing || !client?.ready) return;
  if (client.framesPerS && ms - sentAt < 900 / client.framesPerS) return;
  capturing = true;
  sentAt = ms;
  try {
    const picture = await camera.capture();
    if (!picture || mode !== "server") return;
    const { width, height } = picture;
    const data = await picture.blob.arrayBuffer();
    gaze.tick();
    client.gaze(eye.take());
    const id = client.frame({ timeNs: nsOf(ms), width, height, data });
    if (id) captureMs.set(id, performance.now() - ms);
  } finally {
    capturing = false;
  }
}

function tick(now) {
  if (camera.source !== "none") {
    eye.tick(now);
    gaze.tick();
    if (mode !== "server") eye.take();
    else if (!paused && client?.state === "open") client.gaze(eye.take());
    if (dwell.note(eye.place, now, camera.size[0], eye.spread)) select();
    const shown = seen.size ?? camera.size;
    const faded = now - seen.at > SLOW_MS && !paused && mode === "server";
    const ring = dwell.ring(now, camera.size[0]);
    const { trail, place, spread } = eye;
    overlay.draw(now, { size: shown, things: seen.things, trail, place, spread, ring, faded });
  }
  graph.draw(now);
  requestAnimationFrame(tick);
}

/* Wiring */

for (const button of document.querySelectorAll("[data-source]")) {
  button.addEventListener("click", () => openSource(button.dataset.source));
}
$("source").addEventListener("change", ({ target }) => openSource(target.value));
$("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  if (file) opened(() => camera.openFile(file));
  target.value = "";
});
$("file").addEventListener("cancel", () => { $("source").value = camera.source; });
for (const input of document.querySelectorAll("[name=mode]")) {
  input.addEventListener("change", () => changeMode(input.value));
}
for (const id of ["engine", "size"]) $(id).addEventListener("change", settingsChanged);
$("eye").addEventListener("change", ({ target }) => changeEye(target.value));
for (const name of ["on", "off"]) gaze.addEventListener(name, switchEye);
gaze.addEventListener("ready", lookNow);
$("dwell").addEventListener("change", ({ target }) => { dwell.dwellMs = Number(target.value); });
$("select").addEventListener("click", () => select());
$("release").addEventListener("click", () => release());
$("pause").addEventListener("click", pause);
// A mouse has looked before it clicks; a finger that taps says where.
stage.addEventListener("click", ({ pointerType, clientX, clientY, timeStamp }) => {
  if (!stage.classList.contains("live")) return;
  if (gaze.on) gaze.clicked(clientX, clientY, timeStamp);
  select(gaze.on || pointerType === "touch" ? pointer.place : null);
});
stage.addEventListener("keydown", (event) => {
  if (!stage.classList.contains("live") || event.target !== stage || event.ctrlKey || event.metaKey) return;
  const verbs = { " ": select, Enter: select, Backspace: release, Delete: release, p: pause, P: pause, c: recalibrate, C: recalibrate };
  if (!verbs[event.key]) return;
  event.preventDefault();
  if (!event.repeat) verbs[event.key]();
});
camera.addEventListener("frame", sendFrame);
camera.addEventListener("change", layOut);
camera.addEventListener("lost", () => problem("The camera is gone."));
video.addEventListener("resize", layOut);
new ResizeObserver(layOut).observe(stage);

info = await askUntilKnown();
offerSettings();
startClient();
requestAnimationFrame(tick);
document.documentElement.dataset.ready = "yes";
