// Selecting in the browser: the server encodes pictures one after the other, masks are decoded in the page, and move with
// the picture until the next one is encoded.

import { Mover } from "./mover.js";

const MOVED_SHARE = 0.006;
const BOX_MARGIN = 0.04;
const CERTAIN = 0.75;
const ACCEPTED = 0.4;
const FORGOTTEN_AFTER = 5;

/**
 * Tells "selection" with `{width, height, things, stages, ageMs}` after every decode of what the eye rests on, and for
 * every frame that is shown. What was kept is found again in every new picture from where motion has taken it.
 */
export class BrowserSession extends EventTarget {
  #decoder;
  #camera;
  #eye;
  #running = true;
  #embedding = null;
  #hover = null;
  #kept = [];
  #numbers = 0;
  #options;
  #stopping = new AbortController();
  #mover;
  #busy = null;
  #onFrame = () => this.#move().catch(() => {});

  constructor(decoder, { camera, eye, size, engine }) {
    super();
    this.#decoder = decoder;
    this.#camera = camera;
    this.#eye = eye;
    this.#options = { size, engine };
    this.#mover = new Mover(camera);
    camera.addEventListener("frame", this.#onFrame);
  }

  configure(changes) {
    Object.assign(this.#options, changes);
  }

  /** Encode and decode until `close`. */
  async run() {
    let at = null;
    while (this.#running) {
      try {
        if (await this.#encode()) {
          await this.#follow();
          at = null;
        }
        at = await this.#lookAround(at);
      } catch (error) {
        if (!this.#running) return;
        this.#tell("problem", { message: String(error.message ?? error) });
        await pause(1500);
      }
    }
  }

  select() {
    if (!this.#hover?.mask) return 0;
    this.#numbers += 1;
    this.#kept.push({ ...this.#hover, objectId: this.#numbers, kept: true, missed: 0 });
    this.#say({});
    return this.#numbers;
  }

  release(objectId = 0) {
    this.#kept = objectId ? this.#kept.filter((thing) => thing.objectId !== objectId) : [];
    this.#say({});
  }

  close() {
    this.#running = false;
    this.#stopping.abort();
    this.#camera.removeEventListener("frame", this.#onFrame);
    this.#decoder.close();
    this.#mover.close();
  }

  async #encode() {
    if (!this.#camera.playing && this.#embedding) return false;
    const begun = performance.now();
    const { picture, key } = await this.#alone(() => this.#picture());
    if (!picture) {
      await pause(15);
      return false;
    }
    const pictureMs = performance.now() - begun;
    const options = { ...this.#options, signal: this.#stopping.signal };
    const embedding = await this.#decoder.encode(picture.blob, options);
    const { encodeMs, networkMs } = embedding;
    const stages = { picture: pictureMs, network: networkMs, encode: encodeMs };
    this.#embedding = { ...embedding, seen: key, begun, stages };
    return true;
  }

  // The picture to encode, and the same one for motion; what there is is brought there.
  async #picture() {
    const [picture, key] = await Promise.all([this.#camera.capture(), this.#mover.note()]);
    if (!picture || !key) return { picture: null, key };
    await this.#bring(key, [picture.width, picture.height]);
    for (const thing of this.#kept) thing.before = thing.mask;
    return { picture, key };
  }

  // Decode what the eye rests on: once a picture, and again while a picture stays and the eye moves.
  async #lookAround(before) {
    const place = this.#eye.place;
    const embedding = this.#embedding;
    if (!embedding) return before;
    const { width, height } = embedding.placement;
    const moved = place && before && Math.hypot(place[0] - before[0], place[1] - before[1]);
    if (before !== null && (!place || moved < MOVED_SHARE * width)) {
      await pause(15);
      return before;
    }
    if (!place) {
      this.#hover = null;
      this.#say({});
      return [-1, -1];
    }
    const points = [await this.#there([Math.min(place[0], width), Math.min(place[1], height)], embedding)];
    const { mask, score, decodeMs, pasteMs } = await this.#decoder.decode(embedding, { points });
    this.#hover = mask && { ...this.#found(mask), score, meant: true };
    await this.#move({ ...embedding.stages, decode: decodeMs, paste: pasteMs });
    return place;
  }

  // Where on the encoded picture that is which the eye rests on now.
  async #there(place, { seen, placement: { width, height } }) {
    const now = await this.#mover.note();
    return now && this.#camera.playing ? this.#mover.back(place, now, seen, [width, height]) : place;
  }

  // A thing that moved is found from the middle of where it was; where that is another thing, from its box.
  async #follow() {
    for (const thing of this.#kept) {
      const { before } = thing;
      // It was selected while the picture was being encoded.
      if (!before) continue;
      const prompts = [{ points: [middleOf(before)] }, { box: grown(boxOf(before), this.#embedding.placement) }];
      let best = { likeness: 0 };
      for (const prompt of prompts) {
        const found = await this.#decoder.decode(this.#embedding, { ...prompt, like: before });
        if (found.mask && found.likeness > best.likeness) best = found;
        if (best.likeness >= CERTAIN) break;
      }
      if (best.likeness < ACCEPTED) thing.missed += 1;
      else Object.assign(thing, this.#found(best.mask), { score: best.score, missed: 0 });
    }
    this.#kept = this.#kept.filter((thing) => thing.missed < FORGOTTEN_AFTER);
  }

  // A thing as it is on the picture that is encoded.
  #found(mask) {
    return { mask, box: boxOf(mask), moving: this.#mover.found(mask, this.#embedding.seen) };
  }

  // Bring what is shown to the picture that is shown now, and say so.
  async #move(stages = {}) {
    const known = Object.keys(stages).length > 0;
    if (!this.#embedding || (this.#busy && !known)) return;
    const { width, height } = this.#embedding.placement;
    await this.#alone(async () => {
      const key = await this.#mover.note();
      if (key) await this.#bring(key, [width, height]);
    });
    this.#say(stages);
  }

  async #bring(key, size) {
    const things = this.#things;
    const moving = things.map((thing) => thing.moving);
    const masks = await this.#mover.carry(moving, key, size);
    for (const [index, thing] of things.entries()) {
      const mask = masks[index];
      if (mask && thing.moving === moving[index]) Object.assign(thing, { mask, box: boxOf(mask) });
    }
  }

  // One after the other: a mask that was brought to a picture cannot be brought to an earlier one any more.
  async #alone(work) {
    while (this.#busy) await this.#busy;
    const done = work();
    this.#busy = done.catch(() => {});
    try {
      return await done;
    } finally {
      this.#busy = null;
    }
  }

  get #things() {
    return [...(this.#hover ? [this.#hover] : []), ...this.#kept];
  }

  #say(stages) {
    if (!this.#embedding || !this.#running) return;
    const { width, height } = this.#embedding.placement;
    const things = this.#things;
    const state = this.#hover ? "selected" : "none";
    const source = Object.keys(stages).length ? "encoded" : "propagated";
    const ageMs = performance.now() - this.#embedding.begun;
    this.#tell("selection", { width, height, things, stages, state, source, ageMs });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function boxOf({ x, y, width, height }) {
  return [x, y, x + width, y + height];
}

// A place on the mask, close to its centre of mass.
function middleOf({ x, y, width, height, bytes }) {
  let [sumX, sumY, count] = [0, 0, 0];
  for (let at = 0; at < bytes.length; at += 1) {
    if (!bytes[at]) continue;
    sumX += at % width;
    sumY += Math.floor(at / width);
    count += 1;
  }
  const [centreX, centreY] = [Math.round(sumX / count), Math.round(sumY / count)];
  let best = [centreX, centreY];
  let nearest = Infinity;
  for (let at = 0; at < bytes.length && nearest > 0; at += 1) {
    const [column, row] = [at % width, Math.floor(at / width)];
    const distance = (column - centreX) ** 2 + (row - centreY) ** 2;
    if (bytes[at] && distance < nearest) [best, nearest] = [[column, row], distance];
  }
  return [x + best[0] + 0.5, y + best[1] + 0.5];
}

function grown([x0, y0, x1, y1], { width, height }) {
  const [across, down] = [BOX_MARGIN * (x1 - x0) + 1, BOX_MARGIN * (y1 - y0) + 1];
  return [Math.max(0, x0 - across), Math.max(0, y0 - down), Math.min(width, x1 + across), Math.min(height, y1 + down)];
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
