// Shows each frame as it comes, and sends the buttons' commands.

import { placeOnScreen } from "./place.js";

const RETRY_MS = 1000;
const $ = (id) => document.getElementById(id);
let number = 0;
let ended = false;
let shownUrl = "";
let sentPlace = "";

function setConnection(state, text) {
  $("connection").dataset.state = state;
  $("connection-text").textContent = text;
}

function describe(facts) {
  if (facts.object === null) return "Nothing is selected.";
  const name = facts.label || `Object ${facts.object}`;
  return { hover: `${name}: gaze comes to rest`, focused: `${name}: selected`, held: `${name}: held`, lost: `${name}: lost` }[facts.state] ?? name;
}

function listObjects(objects) {
  $("objects").replaceChildren(...objects.map(({ id, name, colour, pinned, looked }) => {
    const row = document.createElement("li");
    row.dataset.object = id;
    row.toggleAttribute("data-looked", looked);
    row.style.setProperty("--tone", colour);
    for (const [tag, kind, text] of [["span", "chip", id], ["span", "name", name], ["small", "", pinned ? "pinned" : ""]]) {
      const part = document.createElement(tag);
      part.className = kind;
      part.textContent = text;
      row.append(part);
    }
    return row;
  }));
}

/** Tell where the picture is on the screen, when that has changed. */
async function sendPlace() {
  const place = placeOnScreen($("picture"));
  const body = JSON.stringify(place);
  if (!place || body === sentPlace) return;
  sentPlace = body;
  await fetch("/api/place", { method: "POST", body });
}

function show(facts, blob) {
  const url = URL.createObjectURL(blob);
  $("picture").src = url;
  $("picture").hidden = false;
  if (shownUrl) URL.revokeObjectURL(shownUrl);
  shownUrl = url;
  $("state").textContent = describe(facts);
  const delay = facts.delay_known ? "" : " (the camera's own delay is not known)";
  listObjects(facts.objects);
  $("eye").hidden = !facts.on_screen;
  if (facts.on_screen) sendPlace();
  $("facts").textContent = `${facts.camera}: ${facts.latency_ms} ms from the camera to the selection${delay}; mask ${facts.age_ms} ms old.`;
  $("pin").disabled = facts.object === null;
  $("unpin").disabled = facts.pinned.length === 0;
  setConnection("open", "Live");
}

async function follow() {
  while (!ended) {
    try {
      const response = await fetch(`/api/frame?after=${number}`);
      if (response.status === 204) {
        setConnection("waiting", "The camera sends nothing");
        continue;
      }
      const facts = JSON.parse(response.headers.get("x-sam-edge-frame"));
      number = facts.number;
      show(facts, await response.blob());
    } catch {
      setConnection("closed", "sam-edge live has ended");
      $("pin").disabled = $("unpin").disabled = $("stop").disabled = true;
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
}

async function toggleFullScreen() {
  await (document.fullscreenElement ? document.exitFullscreen() : $("picture").parentElement.requestFullscreen());
}

async function send(command) {
  if (command === "full") return toggleFullScreen();
  await fetch(`/api/${command}`, { method: "POST" });
  if (command !== "stop") return;
  ended = true;
  setConnection("closed", "Ended");
  $("pin").disabled = $("unpin").disabled = $("stop").disabled = true;
}

for (const [id, key] of [["pin", "s"], ["unpin", "r"], ["full", "f"], ["stop", "q"]]) {
  $(id).addEventListener("click", () => send(id));
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === key && !event.ctrlKey && !event.metaKey && !event.altKey && !$(id).disabled) send(id);
  });
}
follow();
