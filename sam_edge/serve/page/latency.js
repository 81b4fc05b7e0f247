// Where the time of each mask went: a stack for every frame, newest at the right, and the medians in words.

const KEPT = 120;
const GRID_MS = 50;
const LEAST_MS = 100;
const DRAW_EVERY_MS = 100;
const LIST_EVERY_MS = 500;

/** Draws on `canvas`, lists medians in `legend` and says that of all in `headline`. The order and colours of stages are those of their first coming. */
export class LatencyGraph {
  #canvas;
  #context;
  #legend;
  #headline;
  #rows = [];
  #stages = [];
  #top = LEAST_MS;
  #told = 0;
  #drawnAt = 0;
  #changed = true;

  constructor(canvas, legend, headline) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#legend = legend;
    this.#headline = headline;
  }

  /** Add a frame: stages by name in ms, which add up to its latency. */
  add(stages) {
    for (const name of Object.keys(stages)) {
      if (!this.#stages.includes(name)) this.#stages.push(name);
    }
    this.#rows.push({ stages, total: Object.values(stages).reduce((sum, ms) => sum + ms, 0) });
    if (this.#rows.length > KEPT) this.#rows.shift();
    this.#changed = true;
  }

  clear() {
    this.#rows = [];
    this.#stages = [];
    this.#legend.replaceChildren();
    this.#headline.textContent = "";
    this.#changed = true;
  }

  /** Draw what is new, some times a second. */
  draw(nowMs) {
    if (!this.#changed || nowMs - this.#drawnAt < DRAW_EVERY_MS) return;
    this.#drawnAt = nowMs;
    this.#changed = false;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const { clientWidth, clientHeight } = this.#canvas;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    const context = this.#context;
    context.clearRect(0, 0, width, height);
    const tallest = Math.max(LEAST_MS, ...this.#rows.map(({ total }) => Math.min(total, 1000)));
    this.#top = Math.ceil(tallest / GRID_MS) * GRID_MS;
    const style = getComputedStyle(this.#canvas);
    this.#grid(width, height, ratio, style);
    const step = width / KEPT;
    for (const [index, { stages }] of this.#rows.entries()) {
      let y = height;
      const x = width - (this.#rows.length - index) * step;
      for (const [order, name] of this.#stages.entries()) {
        const tall = ((stages[name] ?? 0) / this.#top) * height;
        context.fillStyle = style.getPropertyValue(`--stage-${order % 8}`);
        context.fillRect(x, y - tall, Math.max(1, step - ratio * 0.5), tall);
        y -= tall;
      }
    }
    if (this.#rows.length && nowMs - this.#told > LIST_EVERY_MS) {
      this.#told = nowMs;
      this.#list();
    }
  }

  #grid(width, height, ratio, style) {
    const context = this.#context;
    context.fillStyle = context.strokeStyle = style.getPropertyValue("--faint");
    context.font = `${11 * ratio}px ${style.fontFamily}`;
    context.lineWidth = ratio;
    const every = this.#top > 400 ? 200 : this.#top > 200 ? 100 : GRID_MS;
    for (let ms = every; ms < this.#top; ms += every) {
      const y = Math.round(height * (1 - ms / this.#top)) + 0.5;
      context.globalAlpha = 0.35;
      context.beginPath();
      context.moveTo(0, y);
      context.lineTo(width, y);
      context.stroke();
      context.globalAlpha = 1;
      context.fillText(`${ms} ms`, 2 * ratio, y - 3 * ratio);
    }
  }

  #list() {
    const entries = this.#stages.map((name, order) => {
      const entry = document.createElement("li");
      entry.dataset.stage = String(order % 8);
      const value = document.createElement("b");
      value.textContent = `${median(this.#rows.map(({ stages }) => stages[name] ?? 0)).toFixed(1)}`;
      entry.append(name, " ", value);
      return entry;
    });
    this.#legend.replaceChildren(...entries);
    this.#headline.textContent = `${median(this.#rows.map(({ total }) => total)).toFixed(0)} ms at the median`;
  }
}

function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted.length ? sorted[sorted.length >> 1] : 0;
}
