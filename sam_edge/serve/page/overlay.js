// Draws over the video: masks with names, the gaze trail, its uncertainty, and the dwell ring.

import { colourOf } from "./object-colours.js";

const TRAIL_MS = 500;
const COLOURS = { gazeTarget: "--target", gaze: "--gaze", ink: "--ink", tag: "--tag-ink" };
const LONGEST_TAG = 24;
const OUTLINE = [[1, 0], [0.71, 0.71], [0, 1], [-0.71, 0.71], [-1, 0], [-0.71, -0.71], [0, -1], [0.71, -0.71]];

/** The image of a mask, cached for the last size and colour. */
class MaskImage {
  #painted = null;
  #key = "";

  constructor({ x, y, width, height, bytes }) {
    Object.assign(this, { x, y, width, height });
    this.canvas = new OffscreenCanvas(width, height);
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let index = 0; index < bytes.length; index += 1) pixels[index] = bytes[index] ? 0xffffffff : 0;
    context.putImageData(image, 0, 0);
  }

  /** Paint the filled and outlined mask at `scale`: `{canvas, x, y}`. */
  paint(scale, { colour, ink, line, rim, fill }) {
    const key = [scale, colour, line, fill].join();
    if (key === this.#key) return this.#painted;
    const [width, height] = [this.width * scale, this.height * scale];
    const reach = Math.ceil(line + rim) + 1;
    const size = [Math.ceil(width) + 2 * reach, Math.ceil(height) + 2 * reach];
    const canvas = new OffscreenCanvas(...size);
    const context = canvas.getContext("2d");
    for (const [from, to, tone, alpha] of [[line, line + rim, ink, 1], [0, line, colour, 1], [0, 0, colour, fill]]) {
      context.globalAlpha = alpha;
      context.drawImage(this.#band([reach, reach, width, height], size, from, to, tone), 0, 0);
    }
    this.#key = key;
    this.#painted = { canvas, x: this.x * scale - reach, y: this.y * scale - reach };
    return this.#painted;
  }

  // The mask in one colour: filled (to = 0), or the band between two distances from its edge.
  #band([x, y, width, height], size, from, to, colour) {
    const stencil = new OffscreenCanvas(...size);
    const context = stencil.getContext("2d");
    const lay = (radius) => {
      for (const [dx, dy] of radius ? OUTLINE : [[0, 0]]) {
        context.drawImage(this.canvas, x + dx * radius, y + dy * radius, width, height);
      }
    };
    lay(to);
    if (to) {
      context.globalCompositeOperation = "destination-out";
      lay(from);
    }
    context.globalCompositeOperation = "source-in";
    context.fillStyle = colour;
    context.fillRect(0, 0, ...size);
    return stencil;
  }
}

export class Overlay {
  #canvas;
  #context;
  #images = new WeakMap();
  #drawn = [];
  #colours = {};
  #reduced = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    for (const [name, property] of Object.entries(COLOURS)) this.#colours[name] = style.getPropertyValue(property).trim();
  }

  /**
   * Draw `objects`, `{objectId, label, mask: {x, y, width, height, bytes}, gazeTarget, faint}` in pixels of a frame of
   * `size`, each in the colour of its number; the gaze target is filled more. `trail` and `point` are the gaze, `spread` its standard deviation; `ring` is `{x, y, radius, share}`; `faded`: masks are outdated.
   */
  draw(nowMs, { size, objects, trail, point, spread = 0, ring, faded }) {
    const context = this.#context;
    const scale = this.#fit(size);
    const moving = trail.length > 0 && (trail[0].x !== trail.at(-1).x || trail[0].y !== trail.at(-1).y);
    const key = [objects, scale, point?.join(), spread, ring && Object.values(ring).join(), faded, moving && nowMs];
    if (key.every((part, index) => part === this.#drawn[index])) return;
    this.#drawn = key;
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    if (!scale) return;
    const unit = Math.max(1, Math.min(this.#canvas.width, this.#canvas.height) / 420);
    context.globalAlpha = faded ? 0.45 : 1;
    for (const object of objects) this.#drawObject(object, scale, unit);
    context.globalAlpha = 1;
    if (!this.#reduced.matches) this.#drawTrail(nowMs, trail, scale, unit);
    if (point && spread) this.#drawSpread(point, spread, scale, unit);
    if (point) this.#drawPoint(point, scale, unit);
    if (ring) this.#drawRing(ring, scale, unit);
  }

  #fit([width, height]) {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const across = Math.round(this.#canvas.clientWidth * ratio);
    const down = Math.round(this.#canvas.clientHeight * ratio);
    if (this.#canvas.width !== across || this.#canvas.height !== down) {
      Object.assign(this.#canvas, { width: across, height: down });
    }
    return width && across ? across / width : 0;
  }

  #drawObject({ objectId, label, mask, gazeTarget, faint }, scale, unit) {
    if (!mask?.width) return;
    const colour = objectId ? colourOf(objectId) : this.#colours.gazeTarget;
    if (!this.#images.has(mask)) this.#images.set(mask, new MaskImage(mask));
    const { canvas, x, y } = this.#images.get(mask).paint(scale, {
      colour,
      ink: this.#colours.ink,
      line: (faint ? 1.2 : gazeTarget ? 2.4 : 1.8) * unit,
      rim: unit,
      fill: faint ? 0 : gazeTarget ? 0.38 : 0.22,
    });
    this.#context.drawImage(canvas, x, y);
    if (objectId) this.#drawTag(label ?? String(objectId), [(mask.x + mask.width / 2) * scale, mask.y * scale], colour, unit);
  }

  // A name above an object, within the picture.
  #drawTag(name, [middle, top], colour, unit) {
    const context = this.#context;
    const letters = [...name];
    const text = letters.length > LONGEST_TAG ? `${letters.slice(0, LONGEST_TAG - 1).join("")}…` : name;
    context.font = `600 ${13 * unit}px system-ui, sans-serif`;
    const [width, height] = [context.measureText(text).width + 12 * unit, 20 * unit];
    const x = Math.max(0, Math.min(this.#canvas.width - width, middle - width / 2));
    const y = Math.max(0, top - height - 4 * unit);
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(x, y, width, height, 5 * unit);
    context.fill();
    context.fillStyle = this.#colours.tag;
    context.textBaseline = "middle";
    context.fillText(text, x + 6 * unit, y + height / 2 + unit / 2);
  }

  #drawTrail(nowMs, trail, scale, unit) {
    const context = this.#context;
    context.fillStyle = this.#colours.gaze;
    let last = null;
    for (const { ms, x, y } of trail) {
      const youth = 1 - (nowMs - ms) / TRAIL_MS;
      if (youth <= 0 || (last && Math.hypot(x - last.x, y - last.y) * scale < 2 * unit)) continue;
      last = { x, y };
      context.globalAlpha = 0.1 + 0.55 * youth;
      context.beginPath();
      context.arc(x * scale, y * scale, (1 + 2 * youth) * unit, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  #drawPoint([x, y], scale, unit) {
    const context = this.#context;
    context.lineWidth = 1.5 * unit;
    for (const [colour, radius] of [[this.#colours.ink, 4.5], [this.#colours.gaze, 3.2]]) {
      context.fillStyle = colour;
      context.beginPath();
      context.arc(x * scale, y * scale, radius * unit, 0, 2 * Math.PI);
      context.fill();
    }
  }

  // About two thirds of all gaze samples lie within this radius.
  #drawSpread([x, y], spread, scale, unit) {
    const context = this.#context;
    context.beginPath();
    context.arc(x * scale, y * scale, spread * scale, 0, 2 * Math.PI);
    context.fillStyle = context.strokeStyle = this.#colours.gaze;
    context.globalAlpha = 0.1;
    context.fill();
    context.globalAlpha = 0.5;
    context.lineWidth = 1.2 * unit;
    context.setLineDash([5 * unit, 5 * unit]);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  #drawRing({ x, y, radius, share }, scale, unit) {
    const context = this.#context;
    const around = Math.min(44 * unit, Math.max(13 * unit, radius * scale));
    const start = -Math.PI / 2;
    const arcs = [[this.#colours.ink, 5, 0.55, 1], [this.#colours.gaze, 1.6, 0.5, 1], [this.#colours.gaze, 3.4, 1, share]];
    for (const [colour, width, alpha, part] of arcs) {
      context.globalAlpha = alpha;
      context.strokeStyle = colour;
      context.lineWidth = width * unit;
      context.lineCap = "round";
      context.beginPath();
      context.arc(x * scale, y * scale, around, start, start + 2 * Math.PI * Math.min(1, part));
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}
