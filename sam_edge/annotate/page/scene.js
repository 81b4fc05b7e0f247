// The picture with masks, gaze and prompts; turns mouse, touch and arrow keys into prompts.

const SVG = "http://www.w3.org/2000/svg";
const DRAG_PX = 7;
const LONG_PRESS_MS = 550;
const STEP = 0.01;
const FAR_STEP = 0.05;

export function element(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Dispatches `point` ({x, y, positive}), `box` ({box: [x0, y0, x1, y1]}) and `nobox`; frame pixels. */
export class Scene extends EventTarget {
  #viewport;
  #svg;
  #proposal = null;
  #down = null;
  #cross = null;
  #corner = null;
  tool = "positive";

  constructor(viewport, svg) {
    super();
    this.#viewport = viewport;
    this.#svg = svg;
    viewport.addEventListener("pointerdown", (event) => this.#press(event));
    viewport.addEventListener("pointermove", (event) => this.#move(event));
    viewport.addEventListener("pointerup", (event) => this.#release(event));
    viewport.addEventListener("pointercancel", () => this.#endGesture());
    viewport.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** Draw a proposal and the annotations of its frame; null clears the picture. */
  show(proposal, annotations) {
    const isNew = proposal?.frame !== this.#proposal?.frame || proposal?.dwell.x !== this.#proposal?.dwell.x;
    if (isNew) this.#cross = this.#corner = null;
    this.#proposal = proposal;
    this.#endGesture();
    this.#svg.replaceChildren();
    if (!proposal) return;
    const { width, height } = proposal;
    this.#viewport.style.setProperty("--shape", `${width} / ${height}`);
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#svg.append(element("image", { href: `/api/frame/${proposal.frame}.jpg`, width, height }));
    for (const mask of annotations) {
      this.#svg.append(element("path", { d: mask.path, class: "m-annotation", "fill-rule": "evenodd", "data-number": mask.number }));
    }
    const target = proposal.masks[proposal.maskIndex].path;
    this.#svg.append(element("path", { d: target, class: "m-rim" }));
    this.#svg.append(element("path", { d: target, class: "m-target", "fill-rule": "evenodd" }));
    this.#svg.append(element("polyline", { points: proposal.trail.join(" "), class: "m-trail" }));
    this.#drawDwell(proposal);
    if (proposal.box) this.#svg.append(this.#rectangle(proposal.box));
    for (const point of proposal.points) this.#drawPoint(point);
    this.#drawCross();
  }

  /** Highlight an annotation by its number; null none. */
  highlight(number) {
    for (const path of this.#svg.querySelectorAll(".m-annotation")) {
      path.classList.toggle("highlighted", path.dataset.number === String(number));
    }
  }

  /** Move the keyboard's cross by steps right and down. Returns its place, frame pixels. */
  moveCross(right, down, far) {
    if (!this.#proposal) return null;
    const { width, height, dwell } = this.#proposal;
    const length = (far ? FAR_STEP : STEP) * Math.max(width, height);
    const from = this.#cross ?? { x: dwell.x, y: dwell.y };
    const clamp = (value, size) => Math.min(size - 0.5, Math.max(0.5, value));
    this.#cross = { x: clamp(from.x + right * length, width), y: clamp(from.y + down * length, height) };
    this.#drawCross();
    return this.#cross;
  }

  /** Add a point prompt at the cross. */
  pointAtCross(positive) {
    const place = this.#cross ?? this.moveCross(0, 0, false);
    if (place) this.#emit("point", { ...place, positive });
  }

  /** Begin or end a box at the cross. Returns "begun", "ended" or null. */
  boxAtCross() {
    const place = this.#cross ?? this.moveCross(0, 0, false);
    if (!place) return null;
    if (!this.#corner) {
      this.#corner = place;
      this.#drawCross();
      return "begun";
    }
    const corner = this.#corner;
    this.#corner = null;
    this.#emit("box", { box: [corner.x, corner.y, place.x, place.y] });
    return "ended";
  }

  #drawDwell({ dwell, width, height }) {
    const radius = Math.max(dwell.spread, Math.min(width, height) / 45);
    const place = { cx: dwell.x, cy: dwell.y };
    const excluded = dwell.used ? "" : " m-excluded";
    this.#svg.append(element("circle", { ...place, r: radius, class: `m-ring-rim${excluded}` }));
    this.#svg.append(element("circle", { ...place, r: radius, class: `m-ring${excluded}` }));
    if (dwell.used) this.#svg.append(element("circle", { ...place, r: radius / 5, class: "m-centre" }));
  }

  #drawPoint({ x, y, positive }) {
    const r = 8 * this.#framePxPerScreenPx();
    const sign = positive ? `M${x - r / 2} ${y}H${x + r / 2}M${x} ${y - r / 2}V${y + r / 2}` : `M${x - r / 2} ${y}H${x + r / 2}`;
    this.#svg.append(element("circle", { cx: x, cy: y, r, class: positive ? "m-positive" : "m-negative" }));
    this.#svg.append(element("path", { d: sign, class: "m-sign" }));
  }

  #drawCross() {
    this.#svg.querySelector("#cross")?.remove();
    if (!this.#cross) return;
    const { x, y } = this.#cross;
    const r = 14 * this.#framePxPerScreenPx();
    const group = element("g", { id: "cross" }, element("path", { d: `M${x - r} ${y}H${x + r}M${x} ${y - r}V${y + r}`, class: "m-cross" }));
    if (this.#corner) group.append(this.#rectangle([this.#corner.x, this.#corner.y, x, y]));
    this.#svg.append(group);
  }

  /** Frame pixels in one screen pixel. */
  #framePxPerScreenPx() {
    const matrix = this.#svg.getScreenCTM();
    return matrix ? 1 / matrix.a : 1;
  }

  #rectangle([x0, y0, x1, y1]) {
    const sides = { x: Math.min(x0, x1), y: Math.min(y0, y1), width: Math.abs(x1 - x0), height: Math.abs(y1 - y0) };
    return element("rect", { ...sides, class: "m-box" });
  }

  #framePlace(event) {
    const matrix = this.#svg.getScreenCTM();
    if (!matrix || !this.#proposal) return null;
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    return { x, y };
  }

  #isInside({ x, y }) {
    return x >= 0 && y >= 0 && x < this.#proposal.width && y < this.#proposal.height;
  }

  #press(event) {
    const place = this.#framePlace(event);
    if (!place || !event.isPrimary || !this.#isInside(place)) return;
    const negative = event.button === 2 || event.shiftKey || event.ctrlKey || this.tool === "negative";
    this.#down = { place, negative, x: event.clientX, y: event.clientY, id: event.pointerId, box: null, timer: 0 };
    if (event.pointerType === "touch" && this.tool !== "box") {
      this.#down.timer = setTimeout(() => this.#longPress(), LONG_PRESS_MS);
    } else {
      this.#viewport.setPointerCapture(event.pointerId);
    }
    this.#viewport.focus({ preventScroll: true });
  }

  #longPress() {
    const down = this.#down;
    this.#endGesture();
    navigator.vibrate?.(20);
    if (down) this.#emit("point", { ...down.place, positive: false });
  }

  #move(event) {
    const down = this.#down;
    if (!down || event.pointerId !== down.id) return;
    const far = Math.hypot(event.clientX - down.x, event.clientY - down.y) > DRAG_PX;
    if (far) clearTimeout(down.timer);
    if (!far && !down.box) return;
    if (event.pointerType === "touch" && this.tool !== "box") return;
    const place = this.#framePlace(event);
    down.box?.remove();
    down.box = this.#rectangle([down.place.x, down.place.y, place.x, place.y]);
    this.#svg.append(down.box);
  }

  #release(event) {
    const down = this.#down;
    if (!down || event.pointerId !== down.id) return;
    const place = this.#framePlace(event);
    this.#endGesture();
    if (down.box) this.#emit("box", { box: [down.place.x, down.place.y, place.x, place.y] });
    else if (this.tool === "box") this.#emit("nobox", {});
    else this.#emit("point", { ...down.place, positive: !down.negative });
  }

  #endGesture() {
    clearTimeout(this.#down?.timer);
    this.#down?.box?.remove();
    this.#down = null;
  }

  #emit(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}
