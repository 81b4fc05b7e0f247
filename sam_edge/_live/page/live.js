// Shows each frame as it comes, and sends the buttons' commands.

const RETRY_MS = 1000;
const $ = (id) => document.getElementById(id);
let number = 0;
let ended = false;
let shownUrl = "";

function setConnection(state, text) {
  $("connection").dataset.state = state;
  $("connection-text").textContent = text;
}

function describe(facts) {
  if (facts.object === null) return "Nothing is selected.";
  const name = facts.label || `Object ${facts.object}`;
  return { hover: `${name}: gaze comes to rest`, focused: `${name}: selected`, held: `${name}: held`, lost: `${name}: lost` }[facts.state] ?? name;
}

function show(facts, blob) {
  const url = URL.createObjectURL(blob);
  $("picture").src = url;
  $("picture").hidden = false;
  if (shownUrl) URL.revokeObjectURL(shownUrl);
  shownUrl = url;
  $("state").textContent = describe(facts);
  const delay = facts.delay_known ? "" : " (the camera's own delay is not known)";
  const pinned = facts.pinned.length ? ` Pinned: ${facts.pinned.join(", ")}.` : "";
  $("facts").textContent = `${facts.camera}: ${facts.latency_ms} ms from the camera to the selection${delay}; mask ${facts.age_ms} ms old.${pinned}`;
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

async function send(command) {
  await fetch(`/api/${command}`, { method: "POST" });
  if (command !== "stop") return;
  ended = true;
  setConnection("closed", "Ended");
  $("pin").disabled = $("unpin").disabled = $("stop").disabled = true;
}

for (const [id, key] of [["pin", "s"], ["unpin", "r"], ["stop", "q"]]) {
  $(id).addEventListener("click", () => send(id));
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === key && !event.ctrlKey && !event.metaKey && !event.altKey && !$(id).disabled) send(id);
  });
}
follow();
