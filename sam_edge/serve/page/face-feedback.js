// Feedback on how well the webcam sees the face: in words, and drawn over the preview.

const MIN_DISTANCE_MM = 300;
const MAX_DISTANCE_MM = 950;
const MARGIN = 0.02;
const HIDDEN_AFTER = 12;

/** Turns gaze estimates into `{state, text}`; `state` is good, wait or bad. */
export class FaceFeedback {
  #framesWithoutGaze = 0;

  update(estimate, [width, height]) {
    const { face, blinking, faceModelProgress, gaze } = estimate;
    this.#framesWithoutGaze = gaze || blinking || !face ? 0 : this.#framesWithoutGaze + 1;
    if (!face) return { state: "bad", text: "No face in view" };
    const [x0, y0, x1, y1] = face.box;
    if (face.distanceMm > MAX_DISTANCE_MM) return { state: "bad", text: "Move closer" };
    if (face.distanceMm < MIN_DISTANCE_MM) return { state: "bad", text: "Move back a little" };
    const middle = (y0 + y1) / 2;
    if (x0 < MARGIN * width || x1 > (1 - MARGIN) * width || middle < 0.15 * height || middle > 0.9 * height) {
      return { state: "bad", text: "Move to the centre" };
    }
    if (faceModelProgress < 1) {
      return { state: "wait", text: `Measuring your face… ${Math.round(100 * faceModelProgress)} %` };
    }
    if (this.#framesWithoutGaze > HIDDEN_AFTER) {
      return { state: "bad", text: "Your eyes are hard to see: add light from the front" };
    }
    if (blinking) return { state: "good", text: "Eyes closed" };
    return { state: "good", text: "Your eyes are clearly visible" };
  }
}

/** Draw the box and irises of a face, in an image of (width, height), on the canvas over the preview. */
export function drawFace(canvas, face, [width, height], colours) {
  const ratio = Math.min(2, devicePixelRatio || 1);
  const [across, down] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, across, down);
  if (!face || !width || !across) return;
  // The preview fills its element and is cropped (object-fit: cover).
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
