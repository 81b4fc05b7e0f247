// The controls, and what they change.

const find = (id) => document.getElementById(id);
const SHOWN_AT_FIRST = 24;
const IN_PLOTS = 30;

const edits = new Edits();
const hidden = new Set();
let limit = SHOWN_AT_FIRST;
let gaze = "scanpath";

const seconds = (time) => Number((time / 1000).toFixed(3));

const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** The part of the recording that is chosen, milliseconds. */
function chosenSpan() {
  const read = (input, other) => (input.value === "" || !input.validity.valid ? other : Math.round(Number(input.value) * 1e9) / 1e6);
  const begin = Math.min(data.duration, Math.max(0, read(find("from"), 0)));
  const end = Math.min(data.duration, Math.max(0, read(find("to"), data.duration)));
  return end > begin ? { begin, end } : { begin: 0, end: data.duration };
}

function chooseSection() {
  const section = data.sections[find("section").value];
  find("from").value = section ? section.begin / 1000 : 0;
  find("to").value = (section ? Math.min(section.end, data.duration) : data.duration) / 1000;
  draw();
}

function draw() {
  const span = chosenSpan();
  const { fixations, visits, metrics } = measure(span, edits);
  const order = [...metrics.values()].sort((a, b) => b.dwell - a.dwell || a.object - b.object).map(({ object }) => object);
  const rows = order.filter((object) => !hidden.has(object));
  const shown = fixations.filter(({ object }) => !hidden.has(object));
  const plotted = rows.slice(0, IN_PLOTS);
  drawChips(order);
  drawScarf(find("scarf"), { fixations: shown, rows: plotted, span, edits });
  drawMetrics(find("metrics"), { metrics, rows, total: span.end - span.begin, edits });
  drawTransitions(find("transitions"), { visits, rows: plotted, edits });
  drawObjects(rows, shown, metrics);
  find("span").textContent =
    `From ${seconds(span.begin)} to ${seconds(span.end)} s: ${rows.length} of ${plural(order.length, "object")}.` +
    (plotted.length < rows.length ? ` Plots show the ${plotted.length} with the longest dwell times.` : "");
  drawChanges();
}

function drawChips(objects) {
  const chips = objects.map((object) => {
    const toggle = () => {
      if (!hidden.delete(object)) hidden.add(object);
      draw();
      find("chips").querySelector(`[data-object="${object}"]`)?.focus();
    };
    const attributes = { type: "button", "aria-pressed": String(!hidden.has(object)), "data-object": object, onclick: toggle };
    return element("button", attributes, swatch(object), edits.name(object));
  });
  find("chips").replaceChildren(...chips);
}

function drawObjects(objects, fixations, metrics) {
  const cards = objects.slice(0, limit).map((object) => {
    const own = fixations.filter((fixation) => fixation.object === object);
    return objectCard(object, own, metrics.get(object), objects);
  });
  find("objects").replaceChildren(...cards);
  const left = objects.length - cards.length;
  find("more").hidden = left <= 0;
  find("more").textContent = `Show ${left} more`;
}

function objectCard(object, fixations, metrics, objects) {
  const facts = [
    ["dwell", `${milliseconds(metrics.dwell)} ms`],
    ["visits, revisits", `${metrics.visits}, ${metrics.revisits}`],
    ["fixations, mean", metrics.fixations ? `${metrics.fixations}, ${milliseconds(metrics.mean)} ms` : "0"],
    ["first after", metrics.toFirst === null ? "" : `${milliseconds(metrics.toFirst)} ms`],
    ...(metrics.visible === null ? [] : [["visible", visibleText(metrics)]]),
  ];
  return element(
    "article",
    { class: "card object", "data-object": object },
    element("div", { class: "view" }, drawPicture(object, fixations, gaze)),
    element("div", { class: "title" }, swatch(object), nameInput(object), element("b", {}, String(object))),
    element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
    mergeSelect(object, objects),
    mergedButtons(object),
  );
}

/** Say for how long a defined AOI is visible, and whether that was for nothing. */
function visibleText({ visible, fixations, dwell }) {
  if (!visible) return "never";
  return `${(visible / 1000).toFixed(1)} s${fixations || dwell ? "" : ", not looked at"}`;
}

function nameInput(object) {
  const rename = (event) => {
    edits.rename(object, event.target.value);
    draw();
  };
  const label = `Name of object ${object}`;
  const input = element("input", { placeholder: `object ${object}`, "aria-label": label, maxlength: 80, onchange: rename });
  input.value = edits.label(object) ?? "";
  return input;
}

function mergeSelect(object, objects) {
  const merge = (event) => {
    edits.merge(object, Number(event.target.value));
    draw();
  };
  const others = objects
    .filter((other) => other !== object)
    .map((other) => element("option", { value: other }, `${edits.name(other)} (${other})`));
  const first = element("option", { value: "" }, "is the same as …");
  const attributes = { "aria-label": `Merge object ${object}`, hidden: !others.length, onchange: merge };
  return element("select", attributes, first, ...others);
}

function mergedButtons(object) {
  const buttons = edits.mergedInto(object).map((merged) => {
    const split = () => {
      edits.split(merged);
      draw();
    };
    return element("button", { type: "button", title: "take it out again", onclick: split }, `with ${merged} ×`);
  });
  return element("div", { class: "merged", hidden: !buttons.length }, ...buttons);
}

function drawChanges() {
  const { count } = edits;
  find("changes").textContent = count ? plural(count, "change") : "";
  for (const id of ["save", "undo", "how-to-apply"]) find(id).hidden = !count;
}

function save() {
  const address = URL.createObjectURL(new Blob([edits.toJson()], { type: "application/json" }));
  element("a", { href: address, download: "aois.json" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function begin() {
  const spans = data.sections.map((section, index) => element("option", { value: index }, section.name));
  const fixations = groupFixations(fixationsIn({ begin: 0, end: data.duration }, edits));
  const on = fixations.filter(({ objects }) => objects.length).length;
  find("title").textContent = data.recording;
  find("summary").textContent =
    `${plural(data.objects.length, "object")} in ${seconds(data.duration)} s; ${on} of ${fixations.length} fixations on them.`;
  find("warnings").replaceChildren(...data.warnings.map((text) => element("p", { class: "note" }, text)));
  find("max-off").textContent = String(data.maxOff);
  find("section").replaceChildren(element("option", { value: "all" }, "whole recording"), ...spans);
  find("section").addEventListener("change", chooseSection);
  for (const id of ["from", "to"]) find(id).addEventListener("change", draw);
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("reset").addEventListener("click", () => {
    hidden.clear();
    find("section").value = "all";
    chooseSection();
  });
  for (const input of document.querySelectorAll("[name=gaze]")) {
    input.addEventListener("change", () => {
      gaze = input.value;
      draw();
    });
  }
  find("more").addEventListener("click", () => {
    limit = Infinity;
    draw();
  });
  find("save").addEventListener("click", save);
  find("undo").addEventListener("click", () => {
    edits.clear();
    draw();
  });
  addEventListener("beforeprint", () => {
    limit = Infinity;
    draw();
  });
  chooseSection();
  document.body.dataset.ready = "";
}

begin();
