// The picture: what is drawn on it, and what a mouse, a finger or the arrow keys point at.

const SVG = "http://www.w3.org/2000/svg";
const DRAG_PX = 7;
const LONG_MS = 550;
const STEP = 0.01;
const FAR_STEP = 0.05;

export function element(name, attributes = {}, ...inside) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

/** Tells `point` ({x, y, on}) and `box` ([x0, y0, x1, y1]), in frame pixels. */
export class Scene extends EventTarget {
  #stage;
  #svg;
  #question = null;
  #down = null;
  #cross = null;
  #corner = null;
  tool = "on";

  constructor(stage, svg) {
    super();
    this.#stage = stage;
    this.#svg = svg;
    stage.addEventListener("pointerdown", (event) => this.#press(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#release(event));
    stage.addEventListener("pointercancel", () => this.#forget());
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** Draw a question and the masks that its frame has; null draws nothing. */
  show(question, kept) {
    const isNew = question?.frame !== this.#question?.frame || question?.dwell.x !== this.#question?.dwell.x;
    if (isNew) this.#cross = this.#corner = null;
    this.#question = question;
    this.#forget();
    this.#svg.replaceChildren();
    if (!question) return;
    const { width, height } = question;
    this.#stage.style.setProperty("--shape", `${width} / ${height}`);
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#svg.append(element("image", { href: `/api/frame/${question.frame}.jpg`, width, height }));
    for (const mask of kept) {
      this.#svg.append(element("path", { d: mask.path, class: "m-kept", "fill-rule": "evenodd", "data-number": mask.number }));
    }
    const meant = question.masks[question.shown].path;
    this.#svg.append(element("path", { d: meant, class: "m-rim" }));
    this.#svg.append(element("path", { d: meant, class: "m-meant", "fill-rule": "evenodd" }));
    this.#svg.append(element("polyline", { points: question.trail.join(" "), class: "m-trail" }));
    this.#drawDwell(question);
    if (question.box) this.#svg.append(this.#rectangle(question.box));
    for (const point of question.points) this.#drawPoint(point);
    this.#drawCross();
  }

  /** Let a kept mask stand out; null none. */
  light(number) {
    for (const path of this.#svg.querySelectorAll(".m-kept")) {
      path.classList.toggle("lit", path.dataset.number === String(number));
    }
  }

  /** Move the cross of the keyboard. Returns where it is. */
  step(right, down, far) {
    if (!this.#question) return null;
    const { width, height, dwell } = this.#question;
    const length = (far ? FAR_STEP : STEP) * Math.max(width, height);
    const from = this.#cross ?? { x: dwell.x, y: dwell.y };
    const held = (value, most) => Math.min(most - 0.5, Math.max(0.5, value));
    this.#cross = { x: held(from.x + right * length, width), y: held(from.y + down * length, height) };
    this.#drawCross();
    return this.#cross;
  }

  /** Say a point at the cross. */
  pointAtCross(on) {
    const place = this.#cross ?? this.step(0, 0, false);
    if (place) this.#tell("point", { ...place, on });
  }

  /** Begin a box at the cross, or end it. Returns what happened: "begun", "ended" or null. */
  boxAtCross() {
    const place = this.#cross ?? this.step(0, 0, false);
    if (!place) return null;
    if (!this.#corner) {
      this.#corner = place;
      this.#drawCross();
      return "begun";
    }
    const corner = this.#corner;
    this.#corner = null;
    this.#tell("box", { box: [corner.x, corner.y, place.x, place.y] });
    return "ended";
  }

  #drawDwell({ dwell, width, height }) {
    const radius = Math.max(dwell.spread, Math.min(width, height) / 45);
    const place = { cx: dwell.x, cy: dwell.y };
    const off = dwell.used ? "" : " m-off";
    this.#svg.append(element("circle", { ...place, r: radius, class: `m-ring-rim${off}` }));
    this.#svg.append(element("circle", { ...place, r: radius, class: `m-ring${off}` }));
    if (dwell.used) this.#svg.append(element("circle", { ...place, r: radius / 5, class: "m-centre" }));
  }

  #drawPoint({ x, y, on }) {
    const r = 8 * this.#unit();
    const sign = on ? `M${x - r / 2} ${y}H${x + r / 2}M${x} ${y - r / 2}V${y + r / 2}` : `M${x - r / 2} ${y}H${x + r / 2}`;
    this.#svg.append(element("circle", { cx: x, cy: y, r, class: on ? "m-on" : "m-beside" }));
    this.#svg.append(element("path", { d: sign, class: "m-sign" }));
  }

  #drawCross() {
    this.#svg.querySelector("#cross")?.remove();
    if (!this.#cross) return;
    const { x, y } = this.#cross;
    const r = 14 * this.#unit();
    const group = element("g", { id: "cross" }, element("path", { d: `M${x - r} ${y}H${x + r}M${x} ${y - r}V${y + r}`, class: "m-cross" }));
    if (this.#corner) group.append(this.#rectangle([this.#corner.x, this.#corner.y, x, y]));
    this.#svg.append(group);
  }

  /** Frame pixels of one on the screen. */
  #unit() {
    const matrix = this.#svg.getScreenCTM();
    return matrix ? 1 / matrix.a : 1;
  }

  #rectangle([x0, y0, x1, y1]) {
    const sides = { x: Math.min(x0, x1), y: Math.min(y0, y1), width: Math.abs(x1 - x0), height: Math.abs(y1 - y0) };
    return element("rect", { ...sides, class: "m-box" });
  }

  #place(event) {
    const matrix = this.#svg.getScreenCTM();
    if (!matrix || !this.#question) return null;
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    return { x, y };
  }

  #within({ x, y }) {
    return x >= 0 && y >= 0 && x < this.#question.width && y < this.#question.height;
  }

  #press(event) {
    const place = this.#place(event);
    if (!place || !event.isPrimary || !this.#within(place)) return;
    const beside = event.button === 2 || event.shiftKey || event.ctrlKey || this.tool === "beside";
    this.#down = { place, beside, x: event.clientX, y: event.clientY, id: event.pointerId, box: null, timer: 0 };
    if (event.pointerType === "touch" && this.tool !== "box") {
      this.#down.timer = setTimeout(() => this.#long(), LONG_MS);
    } else {
      this.#stage.setPointerCapture(event.pointerId);
    }
    this.#stage.focus({ preventScroll: true });
  }

  #long() {
    const down = this.#down;
    this.#forget();
    navigator.vibrate?.(20);
    if (down) this.#tell("point", { ...down.place, on: false });
  }

  #move(event) {
    const down = this.#down;
    if (!down || event.pointerId !== down.id) return;
    const far = Math.hypot(event.clientX - down.x, event.clientY - down.y) > DRAG_PX;
    if (far) clearTimeout(down.timer);
    if (!far && !down.box) return;
    if (event.pointerType === "touch" && this.tool !== "box") return;
    const place = this.#place(event);
    down.box?.remove();
    down.box = this.#rectangle([down.place.x, down.place.y, place.x, place.y]);
    this.#svg.append(down.box);
  }

  #release(event) {
    const down = this.#down;
    if (!down || event.pointerId !== down.id) return;
    const place = this.#place(event);
    this.#forget();
    if (down.box) this.#tell("box", { box: [down.place.x, down.place.y, place.x, place.y] });
    else if (this.tool === "box") this.#tell("nobox", {});
    else this.#tell("point", { ...down.place, on: !down.beside });
  }

  #forget() {
    clearTimeout(this.#down?.timer);
    this.#down?.box?.remove();
    this.#down = null;
  }

  #tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}
