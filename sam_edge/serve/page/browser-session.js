// A session in the browser: the server encodes images one after the other, masks are decoded in the page, and move with
// the video until the next image is encoded.

import { DecoderError } from "./decoder.js";
import { MaskTracker } from "./mask-tracker.js";

const MOVED_SHARE = 0.006;
const BOX_MARGIN = 0.04;
const SURE_SIMILARITY = 0.75;
const MIN_SIMILARITY = 0.4;
const MAX_MISSES = 5;
const POLL_MS = 15;
const RETRY_MS = 1500;
const MOST_DECODER_FAILURES = 2;

/**
 * Emits "selection" with `{width, height, objects, stages, state, origin, ageMs}` after every decode at the gaze point
 * and for every shown frame, "problem" with `{message}`, and "failed" with `{message}` when the decoder does not run in
 * this browser; the session has ended then. Pinned objects are decoded again in every encoded image,
 * from the position to which motion has moved them.
 */
export class BrowserSession extends EventTarget {
  #decoder;
  #camera;
  #gazeSource;
  #running = true;
  #embedding = null;
  #gazeTarget = null;
  #pinned = [];
  #lastObjectId = 0;
  #options;
  #abort = new AbortController();
  #tracker;
  #pending = null;
  #onFrame = () => this.#update().catch(() => {});

  constructor(decoder, { camera, gazeSource, size, engine }) {
    super();
    this.#decoder = decoder;
    this.#camera = camera;
    this.#gazeSource = gazeSource;
    this.#options = { size, engine };
    this.#tracker = new MaskTracker(camera);
    camera.addEventListener("frame", this.#onFrame);
  }

  configure(changes) {
    Object.assign(this.#options, changes);
  }

  /** Encode and decode until `close`. */
  async run() {
    let decodedPoint = null;
    let failures = 0;
    while (this.#running) {
      try {
        if (await this.#encode()) {
          await this.#decodePinned();
          decodedPoint = null;
        }
        decodedPoint = await this.#decodeGazeTarget(decodedPoint);
        failures = 0;
      } catch (error) {
        if (!this.#running) return;
        const message = String(error.message ?? error);
        failures += error instanceof DecoderError ? 1 : 0;
        if (failures >= MOST_DECODER_FAILURES) {
          this.#emit("failed", { message });
          return;
        }
        this.#emit("problem", { message });
        await pause(RETRY_MS);
      }
    }
  }

  /** Pin the gaze target. Returns its number; 0 if there is none. */
  pin() {
    if (!this.#gazeTarget?.mask) return 0;
    this.#lastObjectId += 1;
    this.#pinned.push({ ...this.#gazeTarget, objectId: this.#lastObjectId, pinned: true, misses: 0 });
    this.#emitSelection({});
    return this.#lastObjectId;
  }

  /** Unpin one object, or all of them (0). */
  unpin(objectId = 0) {
    this.#pinned = objectId ? this.#pinned.filter((object) => object.objectId !== objectId) : [];
    this.#emitSelection({});
  }

  close() {
    this.#running = false;
    this.#abort.abort();
    this.#camera.removeEventListener("frame", this.#onFrame);
    this.#decoder.close();
    this.#tracker.close();
  }

  async #encode() {
    if (!this.#camera.playing && this.#embedding) return false;
    const startMs = performance.now();
    const { image, key } = await this.#exclusive(() => this.#capture());
    if (!image) {
      await pause(POLL_MS);
      return false;
    }
    const captureMs = performance.now() - startMs;
    const options = { ...this.#options, signal: this.#abort.signal };
    const embedding = await this.#decoder.encode(image.blob, options);
    const { encodeMs, networkMs } = embedding;
    const stages = { capture: captureMs, network: networkMs, encode: encodeMs };
    this.#embedding = { ...embedding, imageKey: key, startMs, stages };
    return true;
  }

  // Capture the image to encode and add the same image to the tracker; all masks are moved to it.
  async #capture() {
    const [image, key] = await Promise.all([this.#camera.capture(), this.#tracker.addImage()]);
    if (!image || !key) return { image: null, key };
    await this.#moveMasks(key, [image.width, image.height]);
    for (const object of this.#pinned) object.maskBefore = object.mask;
    return { image, key };
  }

  // Decode at the gaze point: once per encoded image, and again when the gaze moves over it.
  async #decodeGazeTarget(before) {
    const { point } = this.#gazeSource;
    const embedding = this.#embedding;
    if (!embedding) return before;
    const { width, height } = embedding.transform;
    const moved = point && before && Math.hypot(point[0] - before[0], point[1] - before[1]);
    if (before !== null && (!point || moved < MOVED_SHARE * width)) {
      await pause(POLL_MS);
      return before;
    }
    if (!point) {
      this.#gazeTarget = null;
      this.#emitSelection({});
      return [-1, -1];
    }
    const clamped = [Math.min(point[0], width), Math.min(point[1], height)];
    const points = [await this.#pointInEncodedImage(clamped, embedding)];
    const { mask, score, decodeMs, pasteMs } = await this.#decoder.decode(embedding, { points });
    this.#gazeTarget = mask && { ...this.#decodedObject(mask), score, gazeTarget: true };
    await this.#update({ ...embedding.stages, decode: decodeMs, paste: pasteMs });
    return point;
  }

  // The gaze point lies in the image shown now; move it back to the encoded image.
  async #pointInEncodedImage(point, { imageKey, transform: { width, height } }) {
    const now = await this.#tracker.addImage();
    if (!now || !this.#camera.playing) return point;
    return this.#tracker.movePointBack(point, now, imageKey, [width, height]);
  }

  // Decode pinned objects from the middle of their moved masks; where that gives another object, from their boxes.
  async #decodePinned() {
    for (const object of this.#pinned) {
      const { maskBefore: reference } = object;
      // Objects pinned while the image was being encoded have no mask in it yet.
      if (!reference) continue;
      const prompts = [
        { points: [middleOf(reference)] },
        { box: expandBox(boxOf(reference), this.#embedding.transform) },
      ];
      let best = { similarity: 0 };
      for (const prompt of prompts) {
        const decoded = await this.#decoder.decode(this.#embedding, { ...prompt, reference });
        if (decoded.mask && decoded.similarity > best.similarity) best = decoded;
        if (best.similarity >= SURE_SIMILARITY) break;
      }
      if (best.similarity < MIN_SIMILARITY) object.misses += 1;
      else Object.assign(object, this.#decodedObject(best.mask), { score: best.score, misses: 0 });
    }
    this.#pinned = this.#pinned.filter((object) => object.misses < MAX_MISSES);
  }

  // An object in the encoded image, with a new track.
  #decodedObject(mask) {
    return { mask, box: boxOf(mask), track: this.#tracker.start(mask, this.#embedding.imageKey) };
  }

  // Move all masks to the image shown now and emit the selection.
  async #update(stages = {}) {
    const decoded = Object.keys(stages).length > 0;
    if (!this.#embedding || (this.#pending && !decoded)) return;
    const { width, height } = this.#embedding.transform;
    await this.#exclusive(async () => {
      const key = await this.#tracker.addImage();
      if (key) await this.#moveMasks(key, [width, height]);
    });
    this.#emitSelection(stages);
  }

  async #moveMasks(key, size) {
    const objects = this.#objects;
    const tracks = objects.map((object) => object.track);
    const masks = await this.#tracker.moveTo(tracks, key, size);
    for (const [index, object] of objects.entries()) {
      const mask = masks[index];
      if (mask && object.track === tracks[index]) Object.assign(object, { mask, box: boxOf(mask) });
    }
  }

  // Run one task at a time: a mask that was moved to an image cannot be moved to an earlier one.
  async #exclusive(task) {
    while (this.#pending) await this.#pending;
    const result = task();
    this.#pending = result.catch(() => {});
    try {
      return await result;
    } finally {
      this.#pending = null;
    }
  }

  get #objects() {
    return [...(this.#gazeTarget ? [this.#gazeTarget] : []), ...this.#pinned];
  }

  #emitSelection(stages) {
    if (!this.#embedding || !this.#running) return;
    const { width, height } = this.#embedding.transform;
    const objects = this.#objects;
    const state = this.#gazeTarget ? "focused" : "none";
    const origin = Object.keys(stages).length ? "encoded" : "propagated";
    const ageMs = performance.now() - this.#embedding.startMs;
    this.#emit("selection", { width, height, objects, stages, state, origin, ageMs });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function boxOf({ x, y, width, height }) {
  return [x, y, x + width, y + height];
}

// The pixel of the mask that is closest to its centre of mass.
function middleOf({ x, y, width, height, bytes }) {
  let [sumX, sumY, count] = [0, 0, 0];
  for (let at = 0; at < bytes.length; at += 1) {
    if (!bytes[at]) continue;
    sumX += at % width;
    sumY += Math.floor(at / width);
    count += 1;
  }
  const [centerX, centerY] = [Math.round(sumX / count), Math.round(sumY / count)];
  let best = [centerX, centerY];
  let nearest = Infinity;
  for (let at = 0; at < bytes.length && nearest > 0; at += 1) {
    const [column, row] = [at % width, Math.floor(at / width)];
    const distance = (column - centerX) ** 2 + (row - centerY) ** 2;
    if (bytes[at] && distance < nearest) [best, nearest] = [[column, row], distance];
  }
  return [x + best[0] + 0.5, y + best[1] + 0.5];
}

function expandBox([x0, y0, x1, y1], { width, height }) {
  const [marginX, marginY] = [BOX_MARGIN * (x1 - x0) + 1, BOX_MARGIN * (y1 - y0) + 1];
  return [
    Math.max(0, x0 - marginX), Math.max(0, y0 - marginY), Math.min(width, x1 + marginX), Math.min(height, y1 + marginY),
  ];
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
