// What the recording holds, and the metrics of any part of it. docs/reference/metrics.md defines them.

const NO_OBJECT = -1;
const data = JSON.parse(document.getElementById("data").textContent);
const byId = new Map(data.objects.map((object) => [object.id, object]));

/** The fixations that begin in a span, in order: `object` is the number after merges. */
function fixationsIn({ begin, end }, edits) {
  return data.fixations
    .filter(([onset]) => onset >= begin && onset < end)
    .map(([onset, offset, object, x, y]) => ({ onset, offset, object: edits.final(object), x, y }))
    .filter(isFirst);
}

/** Whether no earlier line has the same fixation and object: merged objects may both have had it. */
function isFirst({ onset, object }, index, all) {
  for (let before = index - 1; before >= 0 && all[before].onset === onset; before--) {
    if (all[before].object === object) return false;
  }
  return true;
}

/** Fixations with all their objects: one on several objects stands once for each of them. */
function groupFixations(fixations) {
  const groups = [];
  for (const { onset, offset, object } of fixations) {
    if (groups.at(-1)?.onset !== onset) groups.push({ onset, offset, objects: [] });
    const { objects } = groups.at(-1);
    if (object !== NO_OBJECT && !objects.includes(object)) objects.push(object);
  }
  return groups;
}

/** The spans, in order and apart, in which a defined AOI is visible; null for an object that gaze met. */
function visibleSpans(object, edits) {
  const own = [object, ...edits.mergedInto(object)].map((number) => byId.get(number)?.visible).filter(Boolean);
  if (!own.length) return null;
  const spans = [];
  for (const [begin, end] of own.flat().sort((a, b) => a[0] - b[0])) {
    if (spans.length && begin <= spans.at(-1)[1]) spans.at(-1)[1] = Math.max(spans.at(-1)[1], end);
    else spans.push([begin, end]);
  }
  return spans;
}

/** For how long something is visible within a span. */
const visibleIn = (spans, { begin, end }) =>
  spans.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(to, end) - Math.max(from, begin)), 0);

/** Visits: fixations on one object until a fixation on another, or too long a pause. */
function findVisits(fixations, maxOff) {
  const visits = [];
  let going = new Map();
  for (const { onset, offset, objects } of groupFixations(fixations)) {
    if (!objects.length) continue;
    const before = going;
    going = new Map();
    for (const object of objects) {
      let visit = before.get(object);
      if (visit && onset - visit.end <= maxOff) {
        visit.end = Math.max(visit.end, offset);
        visit.fixations += 1;
      } else {
        visit = { object, begin: onset, end: offset, fixations: 1 };
        visits.push(visit);
      }
      going.set(object, visit);
    }
  }
  return visits;
}

/** How often each object followed another: a map of maps, by the first one's number. */
function countTransitions(visits) {
  const counts = new Map();
  for (let index = 1; index < visits.length; index++) {
    const [from, to] = [visits[index - 1].object, visits[index].object];
    if (!counts.has(from)) counts.set(from, new Map());
    const row = counts.get(from);
    row.set(to, (row.get(to) ?? 0) + 1);
  }
  return counts;
}

// Times are rounded to a nanosecond; a sample that begins this much before a span, in milliseconds, begins with it.
const ROUNDING = 1e-3;

/** How long samples that begin in a span last within it, of a run of samples at equal steps. */
function dwellOf([, first, last, count], { begin, end }) {
  const step = (last - first) / count;
  const skipped = step > 0 ? Math.max(0, Math.ceil((begin - first - ROUNDING) / step)) : 0;
  return skipped >= count ? 0 : Math.max(0, Math.min(last, end) - (first + skipped * step));
}

/** The metrics of every object that was looked at in a span, by its number. */
function measure(span, edits) {
  const fixations = fixationsIn(span, edits);
  const visits = findVisits(fixations, data.maxOff);
  const found = new Map();
  const of = (object) => {
    if (!found.has(object)) {
      found.set(object, { object, fixations: 0, total: 0, mean: null, first: null, toFirst: null, dwell: 0, visits: 0, visible: null });
    }
    return found.get(object);
  };
  for (const { onset, offset, object } of fixations) {
    if (object === NO_OBJECT) continue;
    const item = of(object);
    item.fixations += 1;
    item.total += offset - onset;
    item.first ??= offset - onset;
    item.toFirst ??= onset - span.begin;
  }
  for (const run of data.runs) {
    const dwell = dwellOf(run, span);
    if (dwell > 0) of(edits.final(run[0])).dwell += dwell;
  }
  for (const { object } of visits) of(object).visits += 1;
  for (const { id } of data.objects) {
    const spans = edits.final(id) === id ? visibleSpans(id, edits) : null;
    if (spans) of(id).visible = visibleIn(spans, span);
  }
  for (const item of found.values()) {
    item.mean = item.fixations ? item.total / item.fixations : null;
    item.revisits = Math.max(0, item.visits - 1);
  }
  return { fixations, visits, metrics: found };
}
