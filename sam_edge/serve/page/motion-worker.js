// Stores the last images, small and grey, and moves masks from the image on which they were decoded to a later one.

import { buildPyramid, compose, fitSimilarity, selectPoints, trackPoints, transformMask, transformPoint } from "./motion.js";

const IMAGES_KEPT = 150;
const IDENTITY = [1, 0, 0, 0];
const FEWEST_POINTS = 8;
const GRID_PX = [-6, -2, 2, 6];

const pyramids = new Map();
const tracks = new Map();
let context = null;

function addImage({ key, image }) {
  const { width, height } = image;
  if (context?.canvas.width !== width || context?.canvas.height !== height) {
    pyramids.clear();
    context = new OffscreenCanvas(width, height).getContext("2d", { alpha: false, willReadFrequently: true });
  }
  context.drawImage(image, 0, 0);
  image.close();
  const { data } = context.getImageData(0, 0, width, height);
  const grey = new Float32Array(width * height);
  for (let at = 0; at < grey.length; at += 1) {
    grey[at] = 0.299 * data[4 * at] + 0.587 * data[4 * at + 1] + 0.114 * data[4 * at + 2];
  }
  pyramids.set(key, buildPyramid(grey, width, height));
  while (pyramids.size > IMAGES_KEPT) pyramids.delete(pyramids.keys().next().value);
}

// Return the masks of tracks `{id, from, mask}` on the image `to`; known tracks need no mask. Null where a track is lost.
function moveMasks({ tracks: requests, to, size }) {
  const requested = new Set(requests.map(({ id }) => id));
  for (const id of tracks.keys()) if (!requested.has(id)) tracks.delete(id);
  return requests.map(({ id, from, mask }) => {
    if (mask) tracks.set(id, { mask, at: from, points: null, transform: IDENTITY });
    const track = tracks.get(id);
    return track && advance(track, to, size) ? transformMask(track.mask, frameTransform(track, size), size) : null;
  });
}

// Return where on the earlier image `to` the point lies that is looked at on the image `from`; the point itself where
// the motion is unknown.
function movePointBack({ point, from, to, size }) {
  const scale = context.canvas.width / size[0];
  let [x, y] = point.map((value) => value * scale - 0.5);
  let grid = GRID_PX.flatMap((dx) => GRID_PX.map((dy) => [x + dx, y + dy]));
  const keys = [...pyramids.keys()].filter((key) => key >= to && key <= from).sort((a, b) => b - a);
  if (keys.at(-1) !== to) return point;
  for (let index = 1; index < keys.length; index += 1) {
    const moved = trackPoints(pyramids.get(keys[index - 1]), pyramids.get(keys[index]), grid);
    const step = fitSimilarity(grid, moved);
    if (!step) return point;
    [x, y] = transformPoint(step, [x, y]);
    grid = grid.map((place) => transformPoint(step, place));
  }
  return [(x + 0.5) / scale, (y + 0.5) / scale];
}

// Track from image to image: several small motions are found where one large motion is not.
function advance(track, to, size) {
  const keys = [...pyramids.keys()].filter((key) => key >= track.at && key <= to).sort((a, b) => a - b);
  if (keys[0] !== track.at) return false;
  for (let index = 1; index < keys.length; index += 1) {
    const [before, after] = [pyramids.get(keys[index - 1]), pyramids.get(keys[index])];
    if (!track.points || track.points.length < FEWEST_POINTS) {
      const mask = transformMask(track.mask, frameTransform(track, size), size);
      track.points = mask ? selectPoints(mask, before[0], before[0].width / size[0]) : [];
    }
    const moved = trackPoints(before, after, track.points);
    const step = fitSimilarity(track.points, moved);
    track.points = step ? moved.filter(Boolean) : null;
    track.transform = compose(track.transform, step ?? IDENTITY);
    track.at = keys[index];
  }
  return true;
}

// Convert a track's transform from thumbnail pixels (centres at whole numbers) to frame pixels (centres at +0.5).
function frameTransform({ transform: [a, b, x, y] }, [width]) {
  const scale = width / context.canvas.width;
  return [a, b, scale * (x + 0.5 - (a - b) / 2), scale * (y + 0.5 - (a + b) / 2)];
}

const VERBS = { addImage, moveMasks, movePointBack };

self.onmessage = ({ data: { id, verb, options } }) => {
  try {
    const result = VERBS[verb](options) ?? null;
    const buffers = verb === "moveMasks" ? result.filter(Boolean).map(({ bytes }) => bytes.buffer) : [];
    self.postMessage({ id, result }, buffers);
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
};
