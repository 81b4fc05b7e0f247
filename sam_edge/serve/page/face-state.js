// How the face is seen, in words, and drawn over the preview.

const NEAR_MM = 300;
const FAR_MM = 950;
const EDGE = 0.02;
const UNSEEN_AFTER = 12;

/** Turns sights into `{state, text}`; `state` is good, wait or bad. */
export class FaceState {
  #unseen = 0;

  of(sight, [width, height]) {
    const { face, blinking, learned, gaze } = sight;
    this.#unseen = gaze || blinking || !face ? 0 : this.#unseen + 1;
    if (!face) return { state: "bad", text: "No face to be seen" };
    const [x0, y0, x1, y1] = face.box;
    if (face.distanceMm > FAR_MM) return { state: "bad", text: "Come closer" };
    if (face.distanceMm < NEAR_MM) return { state: "bad", text: "Go back a little" };
    if (x0 < EDGE * width || x1 > (1 - EDGE) * width || (y0 + y1) / 2 < 0.15 * height || (y0 + y1) / 2 > 0.9 * height) {
      return { state: "bad", text: "Move into the middle" };
    }
    if (learned < 1) return { state: "wait", text: `Learning your face… ${Math.round(100 * learned)} %` };
    if (this.#unseen > UNSEEN_AFTER) return { state: "bad", text: "Your eyes are hard to see: more light from the front" };
    if (blinking) return { state: "good", text: "Eyes shut" };
    return { state: "good", text: "Your eyes are seen well" };
  }
}

/** Draw box and irises of a face in a picture of (width, height) on a canvas that lies over it. */
export function drawFace(canvas, face, [width, height], colours) {
  const ratio = Math.min(2, devicePixelRatio || 1);
  const [across, down] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, across, down);
  if (!face || !width || !across) return;
  // The preview fills its frame and is cut at the sides that are too long.
  const scale = Math.max(across / width, down / height);
  const [left, top] = [(across - width * scale) / 2, (down - height * scale) / 2];
  const [x0, y0, x1, y1] = face.box;
  context.strokeStyle = colours.box;
  context.lineWidth = 1.5 * ratio;
  context.beginPath();
  context.roundRect(left + x0 * scale, top + y0 * scale, (x1 - x0) * scale, (y1 - y0) * scale, 10 * ratio);
  context.stroke();
  context.strokeStyle = colours.iris;
  for (const [x, y] of face.irises) {
    context.beginPath();
    context.arc(left + x * scale, top + y * scale, Math.max(3 * ratio, 0.035 * (x1 - x0) * scale), 0, 2 * Math.PI);
    context.stroke();
  }
}
