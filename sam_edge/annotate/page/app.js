// The page: brings the server's questions, the picture, buttons and keys together.

import { Server } from "./api.js";
import { KeptList, Thumbnails } from "./lists.js";
import { Scene } from "./scene.js";

const STAGES = { assisted: "Assisted", semi: "Semi-automatic", automatic: "Automatic" };
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const MOST_CHIPS = 8;
const LABEL = "sam-edge-label";
const $ = (id) => document.getElementById(id);

const server = new Server();
const scene = new Scene($("stage"), $("scene"));
const thumbnails = new Thumbnails($("masks"), (index) => say({ action: "take", mask: index }));
const keptList = new KeptList($("kept"), {
  light: (number) => scene.light(number),
  relabel: (number, category) => say({ action: "relabel", number, category }),
  remove: (number) => say({ action: "delete", number }),
});
const label = $("label");
let told = null;
let sending = false;
let asked = "";

label.value = sessionStorage.getItem(LABEL) ?? "";

/** Give an answer, unless one is on its way. */
async function say(answer) {
  if (!told || sending || told.busy) return false;
  sending = true;
  $("problem").hidden = true;
  $("stage").classList.add("waits");
  const taken = await server.answer(told.state, answer);
  sending = false;
  $("stage").classList.remove("waits");
  return taken;
}

const accept = () => say({ action: "accept", category: label.value });
const reject = () => say({ action: "reject" });
const undo = () => say({ action: "undo" });
const withoutGaze = () => say({ action: "without-gaze" });
const next = () => say({ action: "take" });

function speak(text) {
  $("said").textContent = text;
}

function connection(state, text) {
  $("connection").dataset.state = state;
  $("connection-text").textContent = text;
}

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = false;
}

function cover(title, text, share = null) {
  $("cover").hidden = !title;
  if (!title) return;
  if ($("cover-title").textContent !== title) speak(`${title} ${text}`);
  $("cover-title").textContent = title;
  $("cover-text").textContent = text;
  $("cover-bar").hidden = share === null;
  if (share !== null) $("cover-bar").value = share;
}

function where({ box }, { width, height }) {
  const [x, y] = [(box[0] + box[2] / 2) / width, (box[1] + box[3] / 2) / height];
  const across = x < 0.35 ? "left" : x > 0.65 ? "right" : "";
  const down = y < 0.35 ? "upper" : y > 0.65 ? "lower" : "";
  return [down, across].filter(Boolean).join(" ") || "middle";
}

function describe(question) {
  const mask = question.masks[question.shown];
  return `Mask ${question.shown + 1} of ${question.masks.length}, predicted IoU ${mask.score.toFixed(2)}, ` +
    `${percent(mask.share)} of the picture, ${where(mask, question)}.`;
}

function percent(share) {
  return `${share < 0.1 ? (100 * share).toFixed(1) : Math.round(100 * share)} %`;
}

function showSteps({ stages }, current) {
  const entries = stages.map(({ name, done, total, unit, ended }) => {
    const step = document.createElement("li");
    const title = document.createElement("b");
    title.textContent = STAGES[name];
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
  const chips = labels.slice(-MOST_CHIPS).map((name) => {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.textContent = name;
    chip.addEventListener("click", () => {
      keepLabel(name);
      $("stage").focus();
    });
    return chip;
  });
  $("chips").replaceChildren(...chips);
}

function keepLabel(name) {
  label.value = name;
  sessionStorage.setItem(LABEL, name);
}

function showSet({ masks, frames, byHand, folder, video }) {
  $("set-name").textContent = folder;
  $("set-text").textContent = `${masks} masks on ${frames} frames of ${video}, ${byHand} of them by hand. Each is on disk when the next is asked.`;
}

function showQuestion(question) {
  $("stage").toggleAttribute("data-idle", !question);
  scene.show(question, told.kept);
  thumbnails.show(question);
  keptList.show(told.kept, question);
  $("kept-none").hidden = told.kept.length > 0;
  $("kept-count").textContent = told.kept.length || "";
  $("badge").hidden = !question;
  if (!question) {
    $("now").textContent = "";
    return;
  }
  const { dwell, frame, timeS } = question;
  const name = `${frame}:${dwell.x}:${dwell.y}`;
  const { done, total, unit } = told.stages.find((one) => one.name === question.stage);
  const place = `${STAGES[question.stage]}, ${done} of ${total} ${unit}`;
  $("badge").textContent = `${timeS.toFixed(2)} s · rested ${dwell.ms} ms`;
  $("now").textContent = `${done} of ${total} ${unit}`;
  speak(name === asked ? describe(question) : `${place}. At ${timeS.toFixed(1)} seconds. ${describe(question)}`);
  asked = name;
}

function show(state) {
  told = state;
  const { busy, doing, finished } = state;
  const question = busy ? null : state.question;
  connection("open", busy ? "Working…" : finished ? "All done" : "Ready");
  showSteps(state, question?.stage ?? doing?.stage);
  showLabels(state);
  showSet(state);
  showQuestion(question);
  if (finished) cover("All is done", `${state.masks} masks on ${state.frames} frames are in ${state.folder}. Undo takes the last answer back; Stop ends the program.`);
  else if (busy && doing) cover(`${STAGES[doing.stage]}: working`, `Frame ${doing.done + 1} of ${doing.total}. Nothing is asked meanwhile.`, (doing.done + doing.share) / doing.total);
  else if (busy) cover("Getting ready", "The first question comes in a moment.");
  else cover("", "");
  for (const id of ["accept", "reject"]) $(id).disabled = !question;
  $("undo").disabled = busy;
  $("gaze").disabled = !question?.dwell.used;
  $("end-stage").disabled = !question;
  document.body.dataset.ready = question ? "question" : finished ? "finished" : "busy";
  document.body.dataset.state = state.state;
}

server.addEventListener("state", ({ detail }) => show(detail));
server.addEventListener("refused", ({ detail }) => complain(detail.stale ? "That was asked before; here is what is asked now." : detail.message));
server.addEventListener("lost", ({ detail }) => {
  connection("waiting", "No answer, trying again…");
  if (detail.answer) complain("The program does not answer, and your last answer may not have been taken. All before it is on disk.");
});
server.addEventListener("stopped", ({ detail }) => {
  told = null;
  connection("refused", "Stopped");
  showQuestionOver(`Everything accepted is in ${detail.folder}. The same command goes on there.`);
});

function showQuestionOver(text) {
  cover("Stopped for now", text);
  for (const button of document.querySelectorAll("main button, main input")) button.disabled = true;
  document.body.dataset.ready = "stopped";
}

scene.addEventListener("point", ({ detail }) => say({ action: "point", ...detail }));
scene.addEventListener("box", ({ detail }) => say({ action: "box", box: detail.box }));
scene.addEventListener("nobox", () => complain("Drag to draw a box."));
$("accept").addEventListener("click", accept);
$("reject").addEventListener("click", reject);
$("undo").addEventListener("click", undo);
$("gaze").addEventListener("click", withoutGaze);
$("end-stage").addEventListener("click", () => say({ action: "end-stage" }));
$("stop").addEventListener("click", () => server.stop());
$("tools").addEventListener("change", ({ target }) => {
  scene.tool = target.value;
  $("stage").dataset.tool = target.value;
});
label.addEventListener("input", () => keepLabel(label.value));
label.addEventListener("keydown", (event) => {
  if (event.key === "Enter") accept();
  if (event.key === "Enter" || event.key === "Escape") {
    event.preventDefault();
    $("stage").focus();
  }
});

const KEYS = {
  Enter: accept,
  " ": accept,
  Backspace: reject,
  Delete: reject,
  z: undo,
  g: withoutGaze,
  l: () => {
    label.focus();
    label.select();
  },
  "+": () => scene.pointAtCross(true),
  "=": () => scene.pointAtCross(true),
  "-": () => scene.pointAtCross(false),
  b: () => {
    if (scene.boxAtCross() === "begun") speak("The box begins here. Move the cross, and press B again.");
  },
};

function onKey(event) {
  const onStage = event.target === $("stage");
  const onPage = onStage || event.target === document.body;
  if (!onPage || event.altKey || event.metaKey || (event.ctrlKey && event.key !== "z")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (onStage && key in STEPS) {
    const place = scene.step(...STEPS[key], event.shiftKey);
    if (place) speak(`${Math.round(place.x)}, ${Math.round(place.y)}`);
  } else if (onStage && key === "Tab" && !event.shiftKey && told?.question) next();
  else if (onStage && key === "Escape") $("accept").disabled ? label.focus() : $("accept").focus();
  else if (/^[1-4]$/.test(key)) say({ action: "take", mask: Number(key) - 1 });
  else if (key in KEYS && !event.repeat) KEYS[key]();
  else return;
  event.preventDefault();
}

document.addEventListener("keydown", onKey);
await server.look();
$("stage").focus({ preventScroll: true });
