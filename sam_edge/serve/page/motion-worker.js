// Keeps the last pictures, small and grey, and moves masks from the picture they were found in to a later one.

import { chained, moved, movedMask, pointsOn, pyramidOf, similarityOf, track } from "./motion.js";

const PICTURES_KEPT = 150;
const STILL = [1, 0, 0, 0];
const FEW = 8;
const ROUND = [-6, -2, 2, 6];

const pictures = new Map();
const followed = new Map();
let context = null;

function note({ key, picture }) {
  const { width, height } = picture;
  if (context?.canvas.width !== width || context?.canvas.height !== height) {
    pictures.clear();
    context = new OffscreenCanvas(width, height).getContext("2d", { alpha: false, willReadFrequently: true });
  }
  context.drawImage(picture, 0, 0);
  picture.close();
  const { data } = context.getImageData(0, 0, width, height);
  const grey = new Float32Array(width * height);
  for (let at = 0; at < grey.length; at += 1) {
    grey[at] = 0.299 * data[4 * at] + 0.587 * data[4 * at + 1] + 0.114 * data[4 * at + 2];
  }
  pictures.set(key, pyramidOf(grey, width, height));
  while (pictures.size > PICTURES_KEPT) pictures.delete(pictures.keys().next().value);
}

// Masks of `things`, each `{id, from, mask}`, on the picture `to`; a thing that is known already needs no mask.
// What cannot be followed comes back as null.
function carry({ things, to, size }) {
  const wanted = new Set(things.map(({ id }) => id));
  for (const id of followed.keys()) if (!wanted.has(id)) followed.delete(id);
  return things.map(({ id, from, mask }) => {
    if (mask) followed.set(id, { mask, at: from, points: null, transform: STILL });
    const thing = followed.get(id);
    return thing && advanced(thing, to, size) ? movedMask(thing.mask, inFrame(thing, size), size) : null;
  });
}

// Where on the picture `to` the place was that is looked at on the later one `from`; itself where nobody can say.
function back({ place, from, to, size }) {
  const scale = context.canvas.width / size[0];
  const [x, y] = place.map((at) => at * scale - 0.5);
  let points = ROUND.flatMap((dx) => ROUND.map((dy) => [x + dx, y + dy]));
  let there = [x, y];
  const keys = [...pictures.keys()].filter((key) => key >= to && key <= from).sort((one, other) => other - one);
  if (keys.at(-1) !== to) return place;
  for (let index = 1; index < keys.length; index += 1) {
    const places = track(pictures.get(keys[index - 1]), pictures.get(keys[index]), points);
    const step = similarityOf(points, places);
    if (!step) return place;
    [there, points] = [moved(step, there), points.map((point) => moved(step, point))];
  }
  return there.map((at) => (at + 0.5) / scale);
}

// From picture to picture: small steps are found where one large one is not.
function advanced(thing, to, size) {
  const keys = [...pictures.keys()].filter((key) => key >= thing.at && key <= to).sort((one, other) => one - other);
  if (keys[0] !== thing.at) return false;
  for (let index = 1; index < keys.length; index += 1) {
    const [before, after] = [pictures.get(keys[index - 1]), pictures.get(keys[index])];
    if (!thing.points || thing.points.length < FEW) {
      const here = movedMask(thing.mask, inFrame(thing, size), size);
      thing.points = here ? pointsOn(here, before[0], before[0].width / size[0]) : [];
    }
    const places = track(before, after, thing.points);
    const step = similarityOf(thing.points, places);
    thing.points = step ? places.filter(Boolean) : null;
    thing.transform = chained(thing.transform, step ?? STILL);
    thing.at = keys[index];
  }
  return true;
}

// The small pictures' transform in pixels of the frame, whose places are half a pixel from whole numbers.
function inFrame({ transform: [a, b, x, y] }, [width]) {
  const scale = width / context.canvas.width;
  return [a, b, scale * (x + 0.5 - (a - b) / 2), scale * (y + 0.5 - (a + b) / 2)];
}

const VERBS = { note, carry, back };

self.onmessage = ({ data: { id, verb, options } }) => {
  try {
    const result = VERBS[verb](options) ?? null;
    const buffers = verb === "carry" ? result.filter(Boolean).map(({ bytes }) => bytes.buffer) : [];
    self.postMessage({ id, result }, buffers);
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
};
