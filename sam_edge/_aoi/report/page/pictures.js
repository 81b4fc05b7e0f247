// The gaze on the picture of an object.

const NUMBERED = 40;
const HEAT_CELLS = 72;
// Half width of the heat of a fixation, as a share of the picture's longer side.
const HEAT_SPREAD = 0.05;

/** The picture of an object with the fixations on it: as `scanpath`, as `heat`, or `none`. */
function drawPicture(object, fixations, kind) {
  const picture = byId.get(object)?.picture;
  if (!picture) return element("div", { class: "missing" }, "no picture");
  const { width, height, source, outline } = picture;
  const places = fixations.filter(({ x }) => x !== null).map((fixation) => place(fixation, picture));
  const layers = { scanpath: scanpath, heat: heat, none: () => [] }[kind](places, picture);
  return shape(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", style: hueOf(object) },
    shape("image", { href: source, width, height }),
    ...(kind === "heat" ? layers : []),
    shape("path", { class: "mask", d: outline }),
    ...(kind === "heat" ? [] : layers),
  );
}

/** Where a fixation is on the picture, pixels. */
function place({ x, y, onset, offset }, { box: [x0, y0, x1, y1], width, height }) {
  const inside = (value, limit) => Math.min(limit, Math.max(0, value));
  return {
    x: inside(x0 + x * (x1 - x0), width),
    y: inside(y0 + y * (y1 - y0), height),
    duration: offset - onset,
  };
}

function scanpath(places, { width, height }) {
  const unit = Math.max(width, height) / 100;
  const radius = ({ duration }) => unit * Math.min(9, 1.6 + 0.16 * Math.sqrt(duration));
  const line = places.map(({ x, y }, index) => `${index ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");
  const spots = places.map((spot) => shape("circle", { class: "spot", cx: spot.x, cy: spot.y, r: radius(spot) }));
  const numbers = places
    .slice(0, NUMBERED)
    .map(({ x, y }, index) => shape("text", { x, y, "font-size": 4.2 * unit }, String(index + 1)));
  return [shape("path", { class: "path", d: line }), ...spots, ...numbers];
}

function heat(places, { width, height }) {
  if (!places.length) return [];
  const scale = HEAT_CELLS / Math.max(width, height);
  const [columns, rows] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const sums = new Float64Array(columns * rows);
  const spread = HEAT_SPREAD * HEAT_CELLS;
  for (const { x, y, duration } of places) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const [dx, dy] = [column + 0.5 - x * scale, row + 0.5 - y * scale];
        sums[row * columns + column] += duration * Math.exp(-(dx * dx + dy * dy) / (2 * spread * spread));
      }
    }
  }
  const most = sums.reduce((first, second) => Math.max(first, second), 0);
  const canvas = element("canvas", { width: columns, height: rows });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  sums.forEach((sum, index) => pixels.data.set(warmth(sum / most), 4 * index));
  context.putImageData(pixels, 0, 0);
  return [shape("image", { href: canvas.toDataURL(), width, height, preserveAspectRatio: "none" })];
}

/** The colour of a share, 0..1: transparent, blue, yellow, red. */
function warmth(share) {
  const stops = [
    [0, 60, 90, 220, 0],
    [0.15, 60, 120, 230, 90],
    [0.5, 255, 220, 60, 150],
    [1, 225, 40, 30, 200],
  ];
  const upper = Math.max(1, stops.findIndex(([from]) => share <= from));
  const [low, high] = [stops[upper - 1], stops[upper]];
  const part = (share - low[0]) / (high[0] - low[0]);
  return [1, 2, 3, 4].map((index) => low[index] + part * (high[index] - low[index]));
}
