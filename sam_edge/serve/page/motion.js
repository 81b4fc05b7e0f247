// Motion of an object between two images: pyramidal Lucas-Kanade on points of the object, and the similarity transform on
// which most points agree. Plain arithmetic on small grey images; needs neither a page nor a worker.
// B. D. Lucas, T. Kanade, "An iterative image registration technique" (1981); J. Shi, C. Tomasi, "Good features to
// track" (1994); J.-Y. Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker" (2001).

const LEVELS = 4;
const RADIUS = 3;
const SIDE = 2 * RADIUS + 1;
const MAX_STEPS = 6;
const CONVERGED_PX = 0.03;
const MIN_DETERMINANT = 1e-3;
const CELL_PX = 6;
const MAX_POINTS = 40;
const ENOUGH_POINTS = 12;
const NEIGHBOURS = [[-RADIUS, 0], [RADIUS, 0], [0, -RADIUS], [0, RADIUS]];
const MIN_INLIERS = 4;
const MIN_INLIER_SHARE = 0.3;
const MAX_GROWTH = 1.25;
const MIN_CORNER = 30;
const TRIALS = 80;
const TRIAL_STRIDE = 7;
const INLIER_PX = 0.75;
const ROUND_TRIP_PX = 1;

/** Image pyramid of a grey image of `width` x `height` values: each level has half the size of the previous one. */
export function buildPyramid(values, width, height) {
  const levels = [{ values, width, height }];
  while (levels.length < LEVELS && Math.min(levels.at(-1).width, levels.at(-1).height) > 4 * RADIUS) {
    levels.push(halve(levels.at(-1)));
  }
  return levels;
}

function halve({ values, width, height }) {
  const [across, down] = [width >> 1, height >> 1];
  const out = new Float32Array(across * down);
  for (let y = 0; y < down; y += 1) {
    for (let x = 0; x < across; x += 1) {
      const at = 2 * y * width + 2 * x;
      out[y * across + x] = (values[at] + values[at + 1] + values[at + width] + values[at + width + 1]) / 4;
    }
  }
  return { values: out, width: across, height: down };
}

/**
 * Select corners on a mask, at most one per cell; `scale` is image pixels per mask pixel. Where enough corners lie well
 * inside the mask, only those are used, so that their patches show the object alone.
 */
export function selectPoints(mask, { values, width: across, height: down }, scale) {
  const [inside, all] = [new Map(), new Map()];
  const x1 = Math.min(across - 3, Math.floor((mask.x + mask.width) * scale));
  const y1 = Math.min(down - 3, Math.floor((mask.y + mask.height) * scale));
  for (let y = Math.max(2, Math.ceil(mask.y * scale)); y <= y1; y += 1) {
    for (let x = Math.max(2, Math.ceil(mask.x * scale)); x <= x1; x += 1) {
      if (!covers(mask, x, y, scale)) continue;
      const corner = cornerness(values, across, x, y);
      const cell = Math.floor(y / CELL_PX) * across + Math.floor(x / CELL_PX);
      const deep = NEIGHBOURS.every(([dx, dy]) => covers(mask, x + dx, y + dy, scale));
      for (const best of deep ? [inside, all] : [all]) {
        if (corner > (best.get(cell)?.corner ?? MIN_CORNER)) best.set(cell, { corner, place: [x, y] });
      }
    }
  }
  const corners = [...(inside.size >= ENOUGH_POINTS ? inside : all).values()].sort((a, b) => b.corner - a.corner);
  return corners.slice(0, MAX_POINTS).map(({ place }) => place);
}

function covers({ x, y, width, height, bytes }, px, py, scale) {
  const [column, row] = [Math.floor((px + 0.5) / scale - x), Math.floor((py + 0.5) / scale - y)];
  return column >= 0 && row >= 0 && column < width && row < height && bytes[row * width + column] === 1;
}

// The smaller eigenvalue of the structure tensor of 3x3 pixels (Shi and Tomasi).
function cornerness(values, width, x, y) {
  let [xx, xy, yy] = [0, 0, 0];
  for (let row = y - 1; row <= y + 1; row += 1) {
    for (let at = row * width + x - 1; at <= row * width + x + 1; at += 1) {
      const dx = (values[at + 1] - values[at - 1]) / 2;
      const dy = (values[at + width] - values[at - width]) / 2;
      xx += dx * dx;
      xy += dx * dy;
      yy += dy * dy;
    }
  }
  return (xx + yy - Math.hypot(xx - yy, 2 * xy)) / 2;
}

/** Track points from one pyramid to another: `[x, y]`, or null where tracking back does not return to the point. */
export function trackPoints(from, to, points) {
  return points.map((point) => {
    const there = trackPoint(from, to, point);
    const back = there && trackPoint(to, from, there);
    return back && Math.hypot(back[0] - point[0], back[1] - point[1]) < ROUND_TRIP_PX ? there : null;
  });
}

function trackPoint(from, to, [x, y]) {
  let [moveX, moveY] = [0, 0];
  for (let level = from.length - 1; level >= 0; level -= 1) {
    const scale = 2 ** -level;
    const place = [(x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5];
    [moveX, moveY] = refine(from[level], to[level], place, [2 * moveX, 2 * moveY]);
  }
  const [endX, endY] = [x + moveX, y + moveY];
  const inside = endX >= 0 && endY >= 0 && endX < to[0].width && endY < to[0].height;
  return inside ? [endX, endY] : null;
}

// Gauss-Newton steps on the squared difference of two patches.
function refine(from, to, [x, y], [moveX, moveY]) {
  const patch = patchOf(from, x, y, RADIUS + 1);
  const wide = SIDE + 2;
  const gradients = new Float32Array(2 * SIDE * SIDE);
  let [xx, xy, yy] = [0, 0, 0];
  for (let index = 0; index < SIDE * SIDE; index += 1) {
    const at = (Math.floor(index / SIDE) + 1) * wide + (index % SIDE) + 1;
    const dx = (patch[at + 1] - patch[at - 1]) / 2;
    const dy = (patch[at + wide] - patch[at - wide]) / 2;
    gradients[2 * index] = dx;
    gradients[2 * index + 1] = dy;
    xx += dx * dx;
    xy += dx * dy;
    yy += dy * dy;
  }
  const determinant = xx * yy - xy * xy;
  if (determinant < MIN_DETERMINANT) return [moveX, moveY];
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const there = patchOf(to, x + moveX, y + moveY, RADIUS);
    let [ex, ey] = [0, 0];
    for (let index = 0; index < SIDE * SIDE; index += 1) {
      const at = (Math.floor(index / SIDE) + 1) * wide + (index % SIDE) + 1;
      const error = patch[at] - there[index];
      ex += error * gradients[2 * index];
      ey += error * gradients[2 * index + 1];
    }
    const dx = (yy * ex - xy * ey) / determinant;
    const dy = (xx * ey - xy * ex) / determinant;
    moveX += dx;
    moveY += dy;
    if (Math.hypot(dx, dy) < CONVERGED_PX) break;
  }
  return [moveX, moveY];
}

// Bilinear patch around a point that need not be a whole number; the image's edge repeats.
function patchOf({ values, width, height }, x, y, reach) {
  const side = 2 * reach + 1;
  const out = new Float32Array(side * side);
  for (let row = 0, at = 0; row < side; row += 1) {
    const py = Math.min(Math.max(y + row - reach, 0), height - 1.001);
    const above = Math.floor(py) * width;
    const shareY = py - Math.floor(py);
    for (let column = 0; column < side; column += 1, at += 1) {
      const px = Math.min(Math.max(x + column - reach, 0), width - 1.001);
      const first = above + Math.floor(px);
      const shareX = px - Math.floor(px);
      const upper = values[first] + shareX * (values[first + 1] - values[first]);
      const lower = values[first + width] + shareX * (values[first + width + 1] - values[first + width]);
      out[at] = upper + shareY * (lower - upper);
    }
  }
  return out;
}

/**
 * Fit the similarity transform `[a, b, x, y]` from `before` to `after`: (a -b; b a) times a point, plus (x, y). The
 * transform of the pair of points with the most inliers is fitted again to its inliers (M. Fischler, R. Bolles, "Random
 * sample consensus", 1981; here the pairs are fixed). Null with too few inliers, or where the scale changes more than
 * objects do from one image to the next.
 */
export function fitSimilarity(before, after) {
  const pairs = before.map((point, index) => [point, after[index]]).filter(([, there]) => there);
  let inliers = [];
  for (let trial = 0; trial < TRIALS; trial += 1) {
    const first = pairs[trial % pairs.length];
    const second = pairs[(trial * TRIAL_STRIDE + (pairs.length >> 1)) % pairs.length];
    if (!first || first === second) continue;
    const agreeing = inliersOf(leastSquares([first, second]), pairs);
    if (agreeing.length > inliers.length) inliers = agreeing;
  }
  if (inliers.length < Math.max(MIN_INLIERS, MIN_INLIER_SHARE * pairs.length)) return null;
  const transform = leastSquares(inliers);
  return isPlausible(transform) ? transform : null;
}

function inliersOf(transform, pairs) {
  return pairs.filter(([point, there]) => distance(transformPoint(transform, point), there) < INLIER_PX);
}

function isPlausible([a, b]) {
  const growth = Math.hypot(a, b);
  return growth < MAX_GROWTH && growth > 1 / MAX_GROWTH;
}

// The similarity transform of least squared error, in closed form.
function leastSquares(pairs) {
  const mean = (which, axis) => pairs.reduce((sum, pair) => sum + pair[which][axis], 0) / pairs.length;
  const [x, y, u, v] = [mean(0, 0), mean(0, 1), mean(1, 0), mean(1, 1)];
  let [dot, cross, size] = [0, 0, 0];
  for (const [[px, py], [qx, qy]] of pairs) {
    dot += (px - x) * (qx - u) + (py - y) * (qy - v);
    cross += (px - x) * (qy - v) - (py - y) * (qx - u);
    size += (px - x) ** 2 + (py - y) ** 2;
  }
  const [a, b] = size > 1 ? [dot / size, cross / size] : [1, 0];
  return [a, b, u - a * x + b * y, v - b * x - a * y];
}

export function transformPoint([a, b, x, y], [px, py]) {
  return [a * px - b * py + x, b * px + a * py + y];
}

/** The transform that applies the first argument, then the second. */
export function compose([a, b, x, y], [c, d, u, v]) {
  const [endX, endY] = transformPoint([c, d, u, v], [x, y]);
  return [c * a - d * b, d * a + c * b, endX, endY];
}

function distance([x, y], [u, v]) {
  return Math.hypot(x - u, y - v);
}

/** Transform a mask by a similarity in frame pixels and crop it to the frame; null if nothing is left. */
export function transformMask(mask, [a, b, x, y], [frameWidth, frameHeight]) {
  const { x: left, y: top, width, height, bytes } = mask;
  const corners = [[left, top], [left + width, top], [left, top + height], [left + width, top + height]];
  const places = corners.map((corner) => transformPoint([a, b, x, y], corner));
  const x0 = Math.max(0, Math.floor(Math.min(...places.map(([px]) => px))));
  const y0 = Math.max(0, Math.floor(Math.min(...places.map(([, py]) => py))));
  const x1 = Math.min(frameWidth, Math.ceil(Math.max(...places.map(([px]) => px))));
  const y1 = Math.min(frameHeight, Math.ceil(Math.max(...places.map(([, py]) => py))));
  if (x1 <= x0 || y1 <= y0) return null;
  const size = a * a + b * b;
  const out = new Uint8Array((x1 - x0) * (y1 - y0));
  let areaPx = 0;
  for (let row = y0, at = 0; row < y1; row += 1) {
    for (let column = x0; column < x1; column += 1, at += 1) {
      const [dx, dy] = [column + 0.5 - x, row + 0.5 - y];
      const [from, down] = [Math.floor((a * dx + b * dy) / size) - left, Math.floor((a * dy - b * dx) / size) - top];
      if (from < 0 || down < 0 || from >= width || down >= height || !bytes[down * width + from]) continue;
      out[at] = 1;
      areaPx += 1;
    }
  }
  return areaPx ? { x: x0, y: y0, width: x1 - x0, height: y1 - y0, bytes: out, areaPx } : null;
}
