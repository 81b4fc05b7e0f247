// How things moved between two pictures: pyramidal Lucas-Kanade over points on the thing, and the similarity that most
// of them agree on. Plain arithmetic on small grey pictures; no page, no worker.
// B. D. Lucas, T. Kanade, "An iterative image registration technique" (1981); J. Shi, C. Tomasi, "Good features to
// track" (1994); J.-Y. Bouguet, "Pyramidal implementation of the Lucas Kanade feature tracker" (2001).

const LEVELS = 4;
const REACH = 3;
const SIDE = 2 * REACH + 1;
const STEPS = 6;
const ARRIVED = 0.03;
const FLAT = 1e-3;
const CELL = 6;
const MOST_POINTS = 40;
const ENOUGH = 12;
const ROUND = [[-REACH, 0], [REACH, 0], [0, -REACH], [0, REACH]];
const LEAST_POINTS = 4;
const LEAST_SHARE = 0.3;
const MOST_GROWTH = 1.25;
const LEAST_CORNER = 30;
const TRIALS = 80;
const STRIDE = 7;
const AGREES_WITHIN = 0.75;
const RETURNS_WITHIN = 1;

/** A grey picture of `width` x `height` values, and halves of it on top of each other, finest first. */
export function pyramidOf(values, width, height) {
  const levels = [{ values, width, height }];
  while (levels.length < LEVELS && Math.min(levels.at(-1).width, levels.at(-1).height) > 4 * REACH) {
    levels.push(halved(levels.at(-1)));
  }
  return levels;
}

function halved({ values, width, height }) {
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
 * Places on a mask that can be told from their neighbours, one a cell at most; `scale` is picture pixels a mask pixel.
 * Where there are enough of them they are so far inside that what is seen of them is the thing alone.
 */
export function pointsOn(mask, { values, width: across, height: down }, scale) {
  const [inside, all] = [new Map(), new Map()];
  const x1 = Math.min(across - 3, Math.floor((mask.x + mask.width) * scale));
  const y1 = Math.min(down - 3, Math.floor((mask.y + mask.height) * scale));
  for (let y = Math.max(2, Math.ceil(mask.y * scale)); y <= y1; y += 1) {
    for (let x = Math.max(2, Math.ceil(mask.x * scale)); x <= x1; x += 1) {
      if (!covers(mask, x, y, scale)) continue;
      const corner = cornerness(values, across, x, y);
      const cell = Math.floor(y / CELL) * across + Math.floor(x / CELL);
      const deep = ROUND.every(([dx, dy]) => covers(mask, x + dx, y + dy, scale));
      for (const best of deep ? [inside, all] : [all]) {
        if (corner > (best.get(cell)?.corner ?? LEAST_CORNER)) best.set(cell, { corner, place: [x, y] });
      }
    }
  }
  const found = [...(inside.size >= ENOUGH ? inside : all).values()].sort((one, other) => other.corner - one.corner);
  return found.slice(0, MOST_POINTS).map(({ place }) => place);
}

function covers({ x, y, width, height, bytes }, px, py, scale) {
  const [column, row] = [Math.floor((px + 0.5) / scale - x), Math.floor((py + 0.5) / scale - y)];
  return column >= 0 && row >= 0 && column < width && row < height && bytes[row * width + column] === 1;
}

// The smaller eigenvalue of the gradients' matrix in 3x3 pixels.
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

/** Where points of one pyramid lie in another: `[x, y]`, or null for those that do not find the way back. */
export function track(from, to, points) {
  return points.map((point) => {
    const there = tracked(from, to, point);
    const back = there && tracked(to, from, there);
    return back && Math.hypot(back[0] - point[0], back[1] - point[1]) < RETURNS_WITHIN ? there : null;
  });
}

function tracked(from, to, [x, y]) {
  let [moveX, moveY] = [0, 0];
  for (let level = from.length - 1; level >= 0; level -= 1) {
    const scale = 2 ** -level;
    const place = [(x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5];
    [moveX, moveY] = refined(from[level], to[level], place, [2 * moveX, 2 * moveY]);
  }
  const [endX, endY] = [x + moveX, y + moveY];
  const inside = endX >= 0 && endY >= 0 && endX < to[0].width && endY < to[0].height;
  return inside ? [endX, endY] : null;
}

// Steps of Gauss and Newton on the squared difference of two patches.
function refined(from, to, [x, y], [moveX, moveY]) {
  const patch = patchOf(from, x, y, REACH + 1);
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
  if (determinant < FLAT) return [moveX, moveY];
  for (let step = 0; step < STEPS; step += 1) {
    const there = patchOf(to, x + moveX, y + moveY, REACH);
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
    if (Math.hypot(dx, dy) < ARRIVED) break;
  }
  return [moveX, moveY];
}

// Values round a place that need not be whole; the picture's edge repeats.
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
 * The similarity `[a, b, x, y]` that takes points to where they are now: (a -b; b a) times a point, plus (x, y). It is
 * the one that most of them agree on, among those that two of them say (M. Fischler, R. Bolles, "Random sample
 * consensus", 1981; here every trial is told beforehand). Null where too few agree, or say what no thing does from one
 * picture to the next.
 */
export function similarityOf(before, after) {
  const pairs = before.map((point, index) => [point, after[index]]).filter(([, there]) => there);
  let agreed = [];
  for (let trial = 0; trial < TRIALS; trial += 1) {
    const one = pairs[trial % pairs.length];
    const other = pairs[(trial * STRIDE + (pairs.length >> 1)) % pairs.length];
    if (!one || one === other) continue;
    const inside = agreeing(fitted([one, other]), pairs);
    if (inside.length > agreed.length) agreed = inside;
  }
  if (agreed.length < Math.max(LEAST_POINTS, LEAST_SHARE * pairs.length)) return null;
  const found = fitted(agreed);
  return believable(found) ? found : null;
}

function agreeing(found, pairs) {
  return pairs.filter(([point, there]) => distance(moved(found, point), there) < AGREES_WITHIN);
}

function believable([a, b]) {
  const growth = Math.hypot(a, b);
  return growth < MOST_GROWTH && growth > 1 / MOST_GROWTH;
}

// Least squares, in closed form.
function fitted(pairs) {
  const mean = (which, axis) => pairs.reduce((sum, pair) => sum + pair[which][axis], 0) / pairs.length;
  const [x, y, u, v] = [mean(0, 0), mean(0, 1), mean(1, 0), mean(1, 1)];
  let [along, beside, size] = [0, 0, 0];
  for (const [[px, py], [qx, qy]] of pairs) {
    along += (px - x) * (qx - u) + (py - y) * (qy - v);
    beside += (px - x) * (qy - v) - (py - y) * (qx - u);
    size += (px - x) ** 2 + (py - y) ** 2;
  }
  const [a, b] = size > 1 ? [along / size, beside / size] : [1, 0];
  return [a, b, u - a * x + b * y, v - b * x - a * y];
}

export function moved([a, b, x, y], [px, py]) {
  return [a * px - b * py + x, b * px + a * py + y];
}

/** First `before`, then `after`. */
export function chained([a, b, x, y], [c, d, u, v]) {
  const [endX, endY] = moved([c, d, u, v], [x, y]);
  return [c * a - d * b, d * a + c * b, endX, endY];
}

function distance([x, y], [u, v]) {
  return Math.hypot(x - u, y - v);
}

/** A mask moved by a similarity in pixels of its frame, cut to the frame; null where nothing of it is left. */
export function movedMask(mask, [a, b, x, y], [frameWidth, frameHeight]) {
  const { x: left, y: top, width, height, bytes } = mask;
  const corners = [[left, top], [left + width, top], [left, top + height], [left + width, top + height]];
  const places = corners.map((corner) => moved([a, b, x, y], corner));
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
