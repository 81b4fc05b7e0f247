// Runs the decoder on onnxruntime-web in a worker: embeddings and prompts in, masks out.

import { ViewTransform } from "./view-transform.js";

const VENDOR = new URL("../vendor/", import.meta.url);
const FILES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs" };
const SCORE_MARGIN = 0.1;
const MASKS = 4;
const MOST_STARTS = 3;
const PADDING_LABEL = -1;
const BOX_LABELS = [2, 3];

let ort = null;
let model = null;
let external = [];
let provider = "wasm";
let starts = 0;
const sessions = new Map();
const embeddings = new Map();

async function fetchBytes(url, token) {
  const response = await fetch(url, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function open({ graph, weights, token, threads, provider: chosen }) {
  provider = chosen;
  await loadRuntime(self.crossOriginIsolated ? threads : 1);
  [model, ...external] = await Promise.all([graph, ...weights.map(({ url }) => url)].map((url) => fetchBytes(url, token)));
  external = external.map((data, index) => ({ path: weights[index].path, data }));
  return { threads: ort.env.wasm.numThreads, provider };
}

// onnxruntime-web remembers that it failed to start, for as long as its module lives: a new start is a new module.
async function loadRuntime(threads) {
  starts += 1;
  ort = await import(new URL(starts > 1 ? `${FILES[provider]}?start=${starts}` : FILES[provider], VENDOR));
  ort.env.wasm.wasmPaths = VENDOR.href;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
}

// One session per input size: with fixed shapes, positions and dequantized weights are folded into constants.
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
    const session = createSession(options);
    sessions.set(key, session);
    // A session that failed must not be kept: there may be memory the next time.
    session.catch(() => sessions.delete(key));
  }
  return sessions.get(key);
}

// Where there is no memory for the first session, try once more: phones have some again a moment later.
async function createSession(options) {
  try {
    return await ort.InferenceSession.create(model, options);
  } catch (error) {
    if (sessions.size > 1 || starts >= MOST_STARTS) throw error;
    await loadRuntime(ort.env.wasm.numThreads);
    return ort.InferenceSession.create(model, options);
  }
}

async function embed({ key, data, metadata }) {
  const [, , rows, columns] = metadata.shape;
  const values = metadata.dtype === "float16" ? toFloat32(new Uint16Array(data)) : new Float32Array(data);
  embeddings.set(key, { values, shape: metadata.shape, transform: new ViewTransform(metadata), rows, columns });
  while (embeddings.size > 2) embeddings.delete(embeddings.keys().next().value);
  await sessionFor(rows, columns);
  return {};
}

function toFloat32(halves) {
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

async function decode({ key, points = [], labels = null, box = null, reference = null }) {
  const { values, shape, transform, rows, columns } = embeddings.get(key) ?? {};
  if (!values) throw new Error("the embedding is no longer loaded");
  const corners = box ? [[box[0], box[1]], [box[2], box[3]]] : [];
  const coordinates = [...points, ...corners].map((point) => transform.toInput(point));
  const allLabels = [...(labels ?? points.map(() => 1)), ...(box ? BOX_LABELS : [])];
  if (!box) {
    coordinates.push([0, 0]);
    allLabels.push(PADDING_LABEL);
  }
  const session = await sessionFor(rows, columns);
  const startMs = performance.now();
  const { logits, scores } = await session.run({
    embedding: new ort.Tensor("float32", values, shape),
    points: new ort.Tensor("float32", Float32Array.from(coordinates.flat()), [1, coordinates.length, 2]),
    labels: new ort.Tensor("int32", Int32Array.from(allLabels), [1, allLabels.length]),
  });
  const decodedMs = performance.now();
  const candidates = candidatesOf(logits.data, scores.data, transform, columns);
  const token = reference ? mostSimilar(candidates, reference) : bestCandidate(candidates, points.length === 1 && !box);
  const mask = transform.paste(candidates[token].lowres);
  return {
    mask, token, score: scores.data[token], similarity: reference ? similarity(candidates[token], reference) : 1,
    decodeMs: decodedMs - startMs, pasteMs: performance.now() - decodedMs, provider,
  };
}

function candidatesOf(logits, scores, transform, columns) {
  const count = logits.length / MASKS;
  return Array.from({ length: MASKS }, (_, token) => {
    const lowres = logits.subarray(token * count, (token + 1) * count);
    return { lowres, token, score: scores[token], ...sizeOf(lowres, transform, 4 * columns) };
  });
}

// Area, width and height of a low-resolution mask, in frame pixels.
function sizeOf(lowres, { insideLow: [across, down], scaleX, scaleY }, stride) {
  let [area, left, top, right, bottom] = [0, across, down, -1, -1];
  for (let row = 0; row < down; row += 1) {
    for (let column = 0; column < across; column += 1) {
      if (lowres[row * stride + column] <= 0) continue;
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

// The same rule as in Python: one point may belong to a part or to the whole object; of masks with nearly the best
// score, the largest one wins.
function bestCandidate(candidates, ambiguous) {
  if (!ambiguous) return 0;
  const multimask = candidates.slice(1);
  const best = Math.max(...multimask.map(({ score }) => score));
  const near = multimask.filter(({ score }) => score >= best - SCORE_MARGIN);
  return near.reduce((largest, candidate) => (candidate.area > largest.area ? candidate : largest)).token;
}

// Similarity of the size and proportions of two masks, 0 to 1; their positions do not matter.
function similarity(candidate, { areaPx, width, height }) {
  const ratio = (a, b) => (a > 0 && b > 0 ? Math.min(a, b) / Math.max(a, b) : 0);
  return ratio(candidate.area, areaPx) * Math.sqrt(ratio(candidate.width, width) * ratio(candidate.height, height));
}

function mostSimilar(candidates, reference) {
  const better = (a, b) => (similarity(b, reference) > similarity(a, reference) ? b : a);
  return candidates.reduce(better).token;
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
