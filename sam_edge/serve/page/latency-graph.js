// Latency of each mask by stage: one stacked bar per frame, the newest at the right, and a legend of medians.

const FRAMES_SHOWN = 120;
const GRID_MS = 50;
const MIN_SCALE_MS = 100;
const DRAW_INTERVAL_MS = 100;
const LEGEND_INTERVAL_MS = 500;

/** Draws on `canvas`, lists medians in `legend`, and writes the median of the sum to `headline`. Stages keep the order of their first appearance. */
export class LatencyGraph {
  #canvas;
  #context;
  #legend;
  #headline;
  #rows = [];
  #stages = [];
  #top = MIN_SCALE_MS;
  #legendAtMs = 0;
  #drawnAtMs = 0;
  #changed = true;

  constructor(canvas, legend, headline) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#legend = legend;
    this.#headline = headline;
  }

  /** Add a frame: the duration of each stage by name, ms. Their sum is its latency. */
  add(stages) {
    for (const name of Object.keys(stages)) {
      if (!this.#stages.includes(name)) this.#stages.push(name);
    }
    this.#rows.push({ stages, total: Object.values(stages).reduce((sum, ms) => sum + ms, 0) });
    if (this.#rows.length > FRAMES_SHOWN) this.#rows.shift();
    this.#changed = true;
  }

  clear() {
    this.#rows = [];
    this.#stages = [];
    this.#legend.replaceChildren();
    this.#headline.textContent = "";
    this.#changed = true;
  }

  /** Draw if there is anything new, at most every `DRAW_INTERVAL_MS`. */
  draw(nowMs) {
    if (!this.#changed || nowMs - this.#drawnAtMs < DRAW_INTERVAL_MS) return;
    this.#drawnAtMs = nowMs;
    this.#changed = false;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const { clientWidth, clientHeight } = this.#canvas;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (this.#canvas.width !== width || this.#canvas.height !== height) Object.assign(this.#canvas, { width, height });
    const context = this.#context;
    context.clearRect(0, 0, width, height);
    const tallest = Math.max(MIN_SCALE_MS, ...this.#rows.map(({ total }) => Math.min(total, 1000)));
    this.#top = Math.ceil(tallest / GRID_MS) * GRID_MS;
    const style = getComputedStyle(this.#canvas);
    this.#grid(width, height, ratio, style);
    const step = width / FRAMES_SHOWN;
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
    if (this.#rows.length && nowMs - this.#legendAtMs > LEGEND_INTERVAL_MS) {
      this.#legendAtMs = nowMs;
      this.#updateLegend();
    }
  }

  #grid(width, height, ratio, style) {
    const context = this.#context;
    context.fillStyle = context.strokeStyle = style.getPropertyValue("--faint");
    context.font = `${11 * ratio}px ${style.fontFamily}`;
    context.lineWidth = ratio;
    const gridStep = this.#top > 400 ? 200 : this.#top > 200 ? 100 : GRID_MS;
    for (let ms = gridStep; ms < this.#top; ms += gridStep) {
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

  #updateLegend() {
    const entries = this.#stages.map((name, order) => {
      const entry = document.createElement("li");
      entry.dataset.stage = String(order % 8);
      const value = document.createElement("b");
      value.textContent = `${median(this.#rows.map(({ stages }) => stages[name] ?? 0)).toFixed(1)}`;
      entry.append(name, " ", value);
      return entry;
    });
    this.#legend.replaceChildren(...entries);
    this.#headline.textContent = `${median(this.#rows.map(({ total }) => total)).toFixed(0)} ms median`;
  }
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.length ? sorted[sorted.length >> 1] : 0;
}
