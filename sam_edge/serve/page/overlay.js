// What is drawn over the video: masks, the trail of the gaze, and the ring of dwell.

const TRAIL_MS = 500;
const OUTLINE = [[1, 0], [0.71, 0.71], [0, 1], [-0.71, 0.71], [-1, 0], [-0.71, -0.71], [0, -1], [0.71, -0.71]];

/** A mask as a picture of its rectangle, and an outline of it, made once and drawn as often as needed. */
class Shape {
  constructor({ x, y, width, height, bytes }) {
    Object.assign(this, { x, y, width, height });
    this.canvas = new OffscreenCanvas(width, height);
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let index = 0; index < bytes.length; index += 1) pixels[index] = bytes[index] ? 0xffffffff : 0;
    context.putImageData(image, 0, 0);
  }
}

export class Overlay {
  #canvas;
  #context;
  #stencil = new OffscreenCanvas(1, 1);
  #shapes = new WeakMap();
  #colours = {};
  #reduced = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    for (const name of ["meant", "kept", "gaze", "ink"]) this.#colours[name] = style.getPropertyValue(`--${name}`).trim();
  }

  /**
   * Draw. `things` are `{mask: {x, y, width, height, bytes}, kept, faint}` in pixels of a frame of `size`;
   * `trail` is the eye's; `ring` is `{x, y, radius, share}`; `faded` says that what is shown is old.
   */
  draw(nowMs, { size, things, trail, place, ring, faded }) {
    const context = this.#context;
    const scale = this.#fit(size);
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    if (!scale) return;
    const unit = Math.max(1, Math.min(this.#canvas.width, this.#canvas.height) / 420);
    context.globalAlpha = faded ? 0.45 : 1;
    for (const thing of things) this.#drawThing(thing, scale, unit);
    context.globalAlpha = 1;
    if (!this.#reduced.matches) this.#drawTrail(nowMs, trail, scale, unit);
    if (place) this.#drawPlace(place, scale, unit);
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

  #drawThing(thing, scale, unit) {
    const { mask, kept, faint } = thing;
    if (!mask?.width) return;
    if (!this.#shapes.has(mask)) this.#shapes.set(mask, new Shape(mask));
    const shape = this.#shapes.get(mask);
    const colour = this.#colours[kept ? "kept" : "meant"];
    const line = (kept ? 2.4 : 2) * unit;
    const place = [shape.x * scale, shape.y * scale, shape.width * scale, shape.height * scale];
    const before = this.#context.globalAlpha;
    this.#context.globalAlpha = before * (faint ? 0.22 : 0.36);
    this.#stamp(shape, place, colour, 0, 0);
    this.#context.globalAlpha = before * (faint ? 0.6 : 1);
    this.#stamp(shape, place, this.#colours.ink, line, line + unit);
    this.#stamp(shape, place, colour, 0, line);
    this.#context.globalAlpha = before;
  }

  // Lay the shape down in one colour: filled (to = 0), or the band between two distances from its edge.
  #stamp(shape, [x, y, width, height], colour, from, to) {
    const reach = Math.ceil(to) + 1;
    const [across, down] = [Math.ceil(width) + 2 * reach, Math.ceil(height) + 2 * reach];
    const stencil = this.#stencil;
    if (stencil.width < across || stencil.height < down) {
      Object.assign(stencil, { width: Math.max(across, stencil.width), height: Math.max(down, stencil.height) });
    }
    const context = stencil.getContext("2d");
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, across, down);
    const lay = (radius) => {
      const offsets = radius ? OUTLINE : [[0, 0]];
      for (const [dx, dy] of offsets) {
        context.drawImage(shape.canvas, reach + dx * radius, reach + dy * radius, width, height);
      }
    };
    lay(to);
    if (to) {
      context.globalCompositeOperation = "destination-out";
      lay(from);
    }
    context.globalCompositeOperation = "source-in";
    context.fillStyle = colour;
    context.fillRect(0, 0, across, down);
    this.#context.drawImage(stencil, 0, 0, across, down, x - reach, y - reach, across, down);
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

  #drawPlace([x, y], scale, unit) {
    const context = this.#context;
    context.lineWidth = 1.5 * unit;
    for (const [colour, radius] of [[this.#colours.ink, 4.5], [this.#colours.gaze, 3.2]]) {
      context.fillStyle = colour;
      context.beginPath();
      context.arc(x * scale, y * scale, radius * unit, 0, 2 * Math.PI);
      context.fill();
    }
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
