// Elements, colours, the scarf plot and the tables.

/** An HTML element with attributes and children; texts are escaped. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  return fill(node, attributes, children);
}

/** As `element`, of SVG. */
function shape(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

// The hues of the live page: steps of the golden angle keep those of neighbouring numbers far apart. Hues come near each
// other again after eight numbers; every second eight are darker.
const hueOf = (object) =>
  `--hue:${((8 + 137.508 * (object - 1)) % 360).toFixed(1)};--shade:${Math.floor((object - 1) / 8) % 2}`;

const swatch = (object) => element("i", { class: "swatch", style: hueOf(object) });

const nameTag = (object, edits) =>
  element("span", { class: "name", title: edits.name(object) }, swatch(object), element("span", {}, edits.name(object)));

const milliseconds = (value) => (value === null ? "" : Math.round(value).toLocaleString("en"));

const WIDTH = 10000;

/** The path of some blocks, from their times. */
function blocks(fixations, { begin, end }) {
  const scale = WIDTH / (end - begin);
  return fixations
    .map(({ onset, offset }) => {
      const x = (onset - begin) * scale;
      const width = Math.max(2, (Math.min(offset, end) - onset) * scale);
      return `M${x.toFixed(1)},0h${width.toFixed(1)}v10h-${width.toFixed(1)}z`;
    })
    .join("");
}

function strip(paths, span) {
  const edges = data.sections
    .flatMap((section) => [section.begin, section.end])
    .filter((time) => time > span.begin && time < span.end)
    .map((time) => ((time - span.begin) / (span.end - span.begin)) * WIDTH)
    .map((x) => shape("line", { class: "edge", x1: x, x2: x, y1: 0, y2: 10 }));
  const box = { viewBox: `0 0 ${WIDTH} 10`, preserveAspectRatio: "none", role: "img" };
  return shape("svg", box, ...paths, ...edges);
}

/** Draw all fixations in one row, and then a row an object. */
function drawScarf(box, { fixations, rows, span, edits }) {
  const of = (object) => fixations.filter((fixation) => fixation.object === object);
  const path = (object) => shape("path", { class: "tone", style: hueOf(object), d: blocks(of(object), span) });
  const seen = (object) => {
    const spans = (visibleSpans(object, edits) ?? []).filter(([from, to]) => to > span.begin && from < span.end);
    const bars = spans.map(([from, to]) => ({ onset: Math.max(from, span.begin), offset: to }));
    return bars.length ? [shape("path", { class: "seen", style: hueOf(object), d: blocks(bars, span) })] : [];
  };
  const off = shape("path", { class: "off", d: blocks(of(NO_OBJECT), span) });
  box.replaceChildren(
    lane("all", "all", strip([off, ...rows.map(path)], span)),
    ...rows.map((object) => lane("", edits.name(object), strip([...seen(object), path(object)], span))),
    element("div", { class: "lane" }, element("span"), axis(span)),
  );
}

const lane = (kind, name, content) =>
  element("div", { class: `lane ${kind}` }, element("span", { title: name }, name), content);

function axis({ begin, end }) {
  const rough = (end - begin) / 1000 / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => power * factor >= rough);
  const line = element("div", { class: "axis" });
  for (let index = Math.ceil(begin / 1000 / step - 1e-9); index * step <= end / 1000 + 1e-9; index++) {
    const share = (index * step * 1000 - begin) / (end - begin);
    const kind = share > 0.96 ? "last" : share < 0.03 ? "first" : "";
    const left = `left:${(100 * share).toFixed(3)}%`;
    const text = `${Number((index * step).toFixed(6))} s`;
    line.append(element("i", { style: left }), element("b", { style: left, class: kind }, text));
  }
  return line;
}

const METRICS = [
  ["visits", (row) => row.visits],
  ["revisits", (row) => row.revisits],
  ["dwell ms", (row) => milliseconds(row.dwell)],
  ["dwell %", (row, total) => (total ? ((100 * row.dwell) / total).toFixed(1) : "")],
  ["fixations", (row) => row.fixations],
  ["fixation total ms", (row) => milliseconds(row.total)],
  ["mean ms", (row) => milliseconds(row.mean)],
  ["first ms", (row) => milliseconds(row.first)],
  ["time to first ms", (row) => milliseconds(row.toFirst)],
];
const VISIBLE = ["visible ms", (row) => milliseconds(row.visible)];

/** Write the metrics of some objects; `total` is the length of the span. */
function drawMetrics(box, { metrics, rows, total, edits }) {
  const columns = data.objects.some(({ visible }) => visible) ? [...METRICS, VISIBLE] : METRICS;
  const head = element("tr", {}, element("th", {}, "object"), ...columns.map(([name]) => element("th", {}, name)));
  const lines = rows.map((object) => {
    const cells = columns.map(([, value]) => element("td", {}, String(value(metrics.get(object), total))));
    return element("tr", { "data-object": object }, element("td", {}, nameTag(object, edits)), ...cells);
  });
  box.replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines)));
}

/** Write how often each object followed another. */
function drawTransitions(box, { visits, rows, edits }) {
  const counts = countTransitions(visits);
  const most = Math.max(1, ...[...counts.values()].flatMap((row) => [...row.values()]));
  const head = rows.map((object) => element("th", { scope: "col" }, nameTag(object, edits)));
  const lines = rows.map((from) => {
    const cells = rows.map((to) => {
      const count = counts.get(from)?.get(to) ?? 0;
      const title = `${edits.name(from)} → ${edits.name(to)}: ${count}`;
      const warm = count ? { class: "count warm", style: `--share:${count / most}` } : { class: "count" };
      return element("td", { ...warm, title }, count ? String(count) : "");
    });
    return element("tr", {}, element("th", { scope: "row" }, nameTag(from, edits)), ...cells);
  });
  const corner = element("tr", {}, element("th", {}, "from \\ to"), ...head);
  box.replaceChildren(element("table", {}, element("thead", {}, corner), element("tbody", {}, ...lines)));
}
