// The page: connects the server's proposals with the picture, buttons and keys.

import { Server } from "./api.js";
import { AnnotationList, Thumbnails } from "./lists.js";
import { Scene } from "./scene.js";

const STAGE_NAMES = { assisted: "Assisted", semi: "Semi-automatic", automatic: "Automatic" };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const MAX_CHIPS = 8;
const LABEL_KEY = "sam-edge-label";
const $ = (id) => document.getElementById(id);

const server = new Server();
const scene = new Scene($("viewport"), $("scene"));
const thumbnails = new Thumbnails($("masks"), (index) => send({ action: "choose-mask", mask: index }));
const annotationList = new AnnotationList($("annotations"), {
  highlight: (number) => scene.highlight(number),
  relabel: (number, category) => send({ action: "relabel", number, category }),
  remove: (number) => send({ action: "delete", number }),
});
const label = $("label");
let state = null;
let sending = false;
let announced = "";

label.value = sessionStorage.getItem(LABEL_KEY) ?? "";

/** Send an answer, unless one is on its way. Returns whether it is on disk. */
async function send(answer) {
  if (!state || sending || state.busy) return false;
  sending = true;
  $("problem").hidden = true;
  $("viewport").classList.add("waits");
  const saved = await server.answer(state.state, answer);
  sending = false;
  $("viewport").classList.remove("waits");
  return saved;
}

const accept = () => send({ action: "accept", category: label.value });
const reject = () => send({ action: "reject" });
const undo = () => send({ action: "undo" });
const excludeGaze = () => send({ action: "exclude-gaze" });
const nextMask = () => send({ action: "choose-mask" });

/** Have a screen reader say a text. */
function announce(text) {
  $("announcer").textContent = text;
}

function showConnection(status, text) {
  $("connection").dataset.state = status;
  $("connection-text").textContent = text;
}

function showProblem(text) {
  $("problem").textContent = text;
  $("problem").hidden = false;
}

function showCover(title, text, share = null) {
  $("cover").hidden = !title;
  if (!title) return;
  if ($("cover-title").textContent !== title) announce(`${title} ${text}`);
  $("cover-title").textContent = title;
  $("cover-text").textContent = text;
  $("cover-bar").hidden = share === null;
  if (share !== null) $("cover-bar").value = share;
}

function describePlace({ box }, { width, height }) {
  const [x, y] = [(box[0] + box[2] / 2) / width, (box[1] + box[3] / 2) / height];
  const horizontal = x < 0.35 ? "left" : x > 0.65 ? "right" : "";
  const vertical = y < 0.35 ? "upper" : y > 0.65 ? "lower" : "";
  return [vertical, horizontal].filter(Boolean).join(" ") || "middle";
}

function describeMask(proposal) {
  const mask = proposal.masks[proposal.maskIndex];
  return `Mask ${proposal.maskIndex + 1} of ${proposal.masks.length}, predicted IoU ${mask.score.toFixed(2)}, ` +
    `${formatPercent(mask.share)} of the picture, ${describePlace(mask, proposal)}.`;
}

function formatPercent(share) {
  return `${share < 0.1 ? (100 * share).toFixed(1) : Math.round(100 * share)} %`;
}

function showStages({ stages }, current) {
  const entries = stages.map(({ name, done, total, unit, ended }) => {
    const step = document.createElement("li");
    const title = document.createElement("b");
    title.textContent = STAGE_NAMES[name];
    const count = document.createElement("span");
    count.textContent = ended && done < total ? "ended" : `${done} of ${total} ${unit}`;
    step.append(title, count);
    if (name === current) step.setAttribute("aria-current", "step");
    step.toggleAttribute("data-done", ended || done === total);
    return step;
  });
  $("steps").replaceChildren(...entries);
}

function showLabels({ labels }) {
  const names = [...new Set(["object", ...labels])];
  $("labels").replaceChildren(...names.map((name) => new Option(name, name)));
  const chips = labels.slice(-MAX_CHIPS).map((name) => {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.textContent = name;
    chip.addEventListener("click", () => {
      setLabel(name);
      $("viewport").focus();
    });
    return chip;
  });
  $("chips").replaceChildren(...chips);
}

function setLabel(name) {
  label.value = name;
  sessionStorage.setItem(LABEL_KEY, name);
}

function showDataset({ masks, frames, byHand, folder, video }) {
  $("set-name").textContent = folder;
  $("set-text").textContent = `${masks} masks on ${frames} frames of ${video}, ${byHand} of them by hand. Every answer is on disk before the next proposal.`;
}

function showProposal(proposal) {
  const { annotations } = state;
  $("viewport").toggleAttribute("data-idle", !proposal);
  scene.show(proposal, annotations);
  thumbnails.show(proposal);
  annotationList.show(annotations);
  $("annotations-none").hidden = annotations.length > 0;
  $("annotations-count").textContent = annotations.length || "";
  $("badge").hidden = !proposal;
  if (!proposal) {
    $("now").textContent = "";
    return;
  }
  const { dwell, frame, timeS } = proposal;
  const key = `${frame}:${dwell.x}:${dwell.y}`;
  const { done, total, unit } = state.stages.find(({ name }) => name === proposal.stage);
  const progress = `${STAGE_NAMES[proposal.stage]}, ${done} of ${total} ${unit}`;
  $("badge").textContent = `${timeS.toFixed(2)} s · dwell of ${dwell.ms} ms`;
  $("now").textContent = `${done} of ${total} ${unit}`;
  announce(key === announced ? describeMask(proposal) : `${progress}. At ${timeS.toFixed(1)} seconds. ${describeMask(proposal)}`);
  announced = key;
}

function show(newState) {
  state = newState;
  const { busy, work, finished } = state;
  const proposal = busy ? null : state.proposal;
  showConnection("open", busy ? "Working…" : finished ? "All done" : "Ready");
  showStages(state, proposal?.stage ?? work?.stage);
  showLabels(state);
  showDataset(state);
  showProposal(proposal);
  if (finished) showCover("All is done", `${state.masks} masks on ${state.frames} frames are in ${state.folder}. Undo takes back the last answer; Stop ends the program.`);
  else if (busy && work) showCover(`${STAGE_NAMES[work.stage]}: working`, `Frame ${work.done + 1} of ${work.total}. The next proposal comes when this is done.`, (work.done + work.share) / work.total);
  else if (busy) showCover("Getting ready", "The first proposal comes in a moment.");
  else showCover("", "");
  for (const id of ["accept", "reject"]) $(id).disabled = !proposal;
  $("undo").disabled = busy;
  $("gaze").disabled = !proposal?.dwell.used;
  $("end-stage").disabled = !proposal;
  document.body.dataset.ready = proposal ? "proposal" : finished ? "finished" : "busy";
  document.body.dataset.state = state.state;
}

server.addEventListener("state", ({ detail }) => show(detail));
server.addEventListener("refused", ({ detail }) => showProblem(detail.stale ? "Your answer was for an earlier proposal; this is the open one." : detail.message));
server.addEventListener("lost", ({ detail }) => {
  showConnection("waiting", "No response, trying again…");
  if (detail.answer) showProblem("The program does not respond. Your last answer may be lost; all earlier ones are on disk.");
});
server.addEventListener("stopped", ({ detail }) => {
  state = null;
  showConnection("refused", "Stopped");
  showStopped(`All answers are in ${detail.folder}. The same command continues there.`);
});

function showStopped(text) {
  showCover("Stopped for now", text);
  for (const button of document.querySelectorAll("main button, main input")) button.disabled = true;
  document.body.dataset.ready = "stopped";
}

scene.addEventListener("point", ({ detail }) => send({ action: "point", ...detail }));
scene.addEventListener("box", ({ detail }) => send({ action: "box", box: detail.box }));
scene.addEventListener("nobox", () => showProblem("Drag to draw a box."));
$("accept").addEventListener("click", accept);
$("reject").addEventListener("click", reject);
$("undo").addEventListener("click", undo);
$("gaze").addEventListener("click", excludeGaze);
$("end-stage").addEventListener("click", () => send({ action: "end-stage" }));
$("stop").addEventListener("click", () => server.stop());
$("tools").addEventListener("change", ({ target }) => {
  scene.tool = target.value;
  $("viewport").dataset.tool = target.value;
});
label.addEventListener("input", () => setLabel(label.value));
label.addEventListener("keydown", (event) => {
  if (event.key === "Enter") accept();
  if (event.key === "Enter" || event.key === "Escape") {
    event.preventDefault();
    $("viewport").focus();
  }
});

const KEYS = {
  Enter: accept,
  " ": accept,
  Backspace: reject,
  Delete: reject,
  z: undo,
  g: excludeGaze,
  l: () => {
    label.focus();
    label.select();
  },
  "+": () => scene.pointAtCross(true),
  "=": () => scene.pointAtCross(true),
  "-": () => scene.pointAtCross(false),
  b: () => {
    if (scene.boxAtCross() === "begun") announce("The box begins here. Move the cross, and press B again.");
  },
};

function onKey(event) {
  const onViewport = event.target === $("viewport");
  const onPage = onViewport || event.target === document.body;
  if (!onPage || event.altKey || event.metaKey || (event.ctrlKey && event.key !== "z")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (onViewport && key in ARROWS) {
    const place = scene.moveCross(...ARROWS[key], event.shiftKey);
    if (place) announce(`${Math.round(place.x)}, ${Math.round(place.y)}`);
  } else if (onViewport && key === "Tab" && !event.shiftKey && state?.proposal) nextMask();
  else if (onViewport && key === "Escape") $("accept").disabled ? label.focus() : $("accept").focus();
  else if (/^[1-4]$/.test(key)) send({ action: "choose-mask", mask: Number(key) - 1 });
  else if (key in KEYS && !event.repeat) KEYS[key]();
  else return;
  event.preventDefault();
}

document.addEventListener("keydown", onKey);
await server.loadState();
$("viewport").focus({ preventScroll: true });
