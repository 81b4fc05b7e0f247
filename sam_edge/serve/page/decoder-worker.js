// The decoder, off the page's own thread: onnxruntime-web, an embedding at a time, prompts in, masks out.

import { Placement } from "./placement.js";

const VENDOR = new URL("../vendor/", import.meta.url);
const FILES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs" };
const NEAR_BEST = 0.1;
const MASKS = 4;
const PADDING = -1;
const BOX_CORNERS = [2, 3];

let ort = null;
let model = null;
let external = [];
let provider = "wasm";
const sessions = new Map();
const embeddings = new Map();

async function fetched(url, token) {
  const response = await fetch(url, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function open({ graph, weights, token, threads, on }) {
  provider = on;
  ort = await import(new URL(FILES[on], VENDOR));
  ort.env.wasm.wasmPaths = VENDOR.href;
  ort.env.wasm.numThreads = self.crossOriginIsolated ? threads : 1;
  ort.env.logLevel = "error";
  [model, ...external] = await Promise.all([graph, ...weights.map(({ url }) => url)].map((url) => fetched(url, token)));
  external = external.map((data, index) => ({ path: weights[index].path, data }));
  return { threads: ort.env.wasm.numThreads, provider };
}

// One session a size: every shape in it is known, positions and widened weights are folded into constants.
function sessionFor(rows, columns) {
  const key = `${rows}x${columns}`;
  if (!sessions.has(key)) {
    const freeDimensionOverrides = { rows, columns, prompts: 1, "4*rows": 4 * rows, "4*columns": 4 * columns };
    const options = {
      executionProviders: [provider],
      graphOptimizationLevel: "all",
      externalData: external,
      freeDimensionOverrides,
      extra: { session: { disable_quant_qdq: "1" } },
    };
    sessions.set(key, ort.InferenceSession.create(model, options));
  }
  return sessions.get(key);
}

async function embed({ key, data, told }) {
  const [, , rows, columns] = told.shape;
  const values = told.dtype === "float16" ? widened(new Uint16Array(data)) : new Float32Array(data);
  const tensor = new ort.Tensor("float32", values, told.shape);
  embeddings.set(key, { tensor, placement: new Placement(told), rows, columns });
  while (embeddings.size > 2) embeddings.delete(embeddings.keys().next().value);
  await sessionFor(rows, columns);
  return {};
}

function widened(halves) {
  const out = new Float32Array(halves.length);
  for (let index = 0; index < halves.length; index += 1) {
    const half = halves[index];
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    const size = exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : (fraction / 1024) * 2 ** -14;
    out[index] = half & 0x8000 ? -size : size;
  }
  return out;
}

async function decode({ key, points = [], labels = null, box = null, like = null }) {
  const { tensor, placement, rows, columns } = embeddings.get(key) ?? {};
  if (!tensor) throw new Error("that embedding is no longer here");
  const corners = box ? [[box[0], box[1]], [box[2], box[3]]] : [];
  const places = [...points, ...corners].map((point) => placement.toInput(point));
  const kinds = [...(labels ?? points.map(() => 1)), ...(box ? BOX_CORNERS : [])];
  if (!box) {
    places.push([0, 0]);
    kinds.push(PADDING);
  }
  const session = await sessionFor(rows, columns);
  const begun = performance.now();
  const { logits, scores } = await session.run({
    embedding: tensor,
    points: new ort.Tensor("float32", Float32Array.from(places.flat()), [1, places.length, 2]),
    labels: new ort.Tensor("int32", Int32Array.from(kinds), [1, kinds.length]),
  });
  const decoded = performance.now();
  const found = masksOf(logits.data, scores.data, placement, columns);
  const token = like ? likest(found, like) : meant(found, points.length === 1 && !box);
  const mask = placement.paste(found[token].low);
  return {
    mask, token, score: scores.data[token], likeness: like ? likeness(found[token], like) : 1,
    decodeMs: decoded - begun, pasteMs: performance.now() - decoded, provider,
  };
}

function masksOf(logits, scores, placement, columns) {
  const count = logits.length / MASKS;
  return Array.from({ length: MASKS }, (_, token) => {
    const low = logits.subarray(token * count, (token + 1) * count);
    return { low, token, score: scores[token], ...extent(low, placement, 4 * columns) };
  });
}

// Area and bounding box of a mask, in frame pixels as far as its own grid tells them.
function extent(low, { insideLow: [across, down], scaleX, scaleY }, stride) {
  let [area, left, top, right, bottom] = [0, across, down, -1, -1];
  for (let row = 0; row < down; row += 1) {
    for (let column = 0; column < across; column += 1) {
      if (low[row * stride + column] <= 0) continue;
      area += 1;
      left = Math.min(left, column);
      right = Math.max(right, column);
      top = Math.min(top, row);
      bottom = row;
    }
  }
  const [stepX, stepY] = [4 / scaleX, 4 / scaleY];
  return { area: area * stepX * stepY, width: (right - left + 1) * stepX, height: (bottom - top + 1) * stepY };
}

// The rule of `sam_edge.masks.best_first`: one point may mean a part or the whole, and people mean wholes.
function meant(found, ambiguous) {
  if (!ambiguous) return 0;
  const several = found.slice(1);
  const best = Math.max(...several.map(({ score }) => score));
  const near = several.filter(({ score }) => score >= best - NEAR_BEST);
  return near.reduce((one, other) => (other.area > one.area ? other : one)).token;
}

// How much a mask has the size and the proportions of another, 0 to 1, wherever it is.
function likeness(one, { areaPx, width, height }) {
  const ratio = (a, b) => (a > 0 && b > 0 ? Math.min(a, b) / Math.max(a, b) : 0);
  return ratio(one.area, areaPx) * Math.sqrt(ratio(one.width, width) * ratio(one.height, height));
}

function likest(found, like) {
  return found.reduce((one, other) => (likeness(other, like) > likeness(one, like) ? other : one)).token;
}

const VERBS = { open, embed, decode };

self.onmessage = async ({ data: { id, verb, options } }) => {
  try {
    const result = await VERBS[verb](options);
    self.postMessage({ id, result }, result.mask ? [result.mask.bytes.buffer] : []);
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
};
