// Converts between frame pixels and the encoder's input, and resamples low-resolution masks to the frame.
// Pixel centres are at +0.5; in the decoder's coordinates they are at whole numbers.

const MASK_STRIDE = 4;

/** Transform between a view of a frame and the encoder's input; built from the metadata of an embedding. */
export class ViewTransform {
  constructor({ frame, view, size, inside, scale }) {
    [this.width, this.height] = frame;
    [this.x0, this.y0, this.viewWidth, this.viewHeight] = view;
    [this.inputWidth, this.inputHeight] = size;
    [this.insideWidth, this.insideHeight] = inside;
    [this.scaleX, this.scaleY] = scale;
  }

  /** Convert a frame point to the decoder's coordinates. */
  toInput([x, y]) {
    return [(x - this.x0) * this.scaleX - 0.5, (y - this.y0) * this.scaleY - 0.5];
  }

  /** Columns and rows of a low-resolution mask that contain the view. */
  get insideLow() {
    const { insideWidth, insideHeight } = this;
    return [Math.ceil(insideWidth / MASK_STRIDE), Math.ceil(insideHeight / MASK_STRIDE)];
  }

  /**
   * Resample low-resolution logits to the frame (bilinear, edges repeated, as in Python) and threshold at 0. Returns
   * the bounding rectangle with 1 on the object; null if the mask is empty.
   */
  paste(low) {
    const columns = this.inputWidth / MASK_STRIDE;
    const rows = this.inputHeight / MASK_STRIDE;
    const xs = axis(this.width, this.x0, this.scaleX, columns);
    const ys = axis(this.height, this.y0, this.scaleY, rows);
    const left = Math.max(0, this.x0);
    const right = Math.min(this.width, this.x0 + this.viewWidth);
    const top = Math.max(0, this.y0);
    const bottom = Math.min(this.height, this.y0 + this.viewHeight);
    const bytes = new Uint8Array(this.width * this.height);
    const line = new Float32Array(columns);
    const bounds = [this.width, this.height, -1, -1];
    let area = 0;
    for (let y = top; y < bottom; y += 1) {
      const first = ys.first[y] * columns;
      const second = ys.second[y] * columns;
      const share = ys.share[y];
      for (let column = 0; column < columns; column += 1) {
        line[column] = low[first + column] + share * (low[second + column] - low[first + column]);
      }
      for (let x = left; x < right; x += 1) {
        const value = line[xs.first[x]];
        if (value + xs.share[x] * (line[xs.second[x]] - value) <= 0) continue;
        bytes[y * this.width + x] = 1;
        area += 1;
        if (x < bounds[0]) bounds[0] = x;
        if (x > bounds[2]) bounds[2] = x;
        if (y < bounds[1]) bounds[1] = y;
        bounds[3] = y;
      }
    }
    return area ? cropTo(bytes, this.width, bounds, area) : null;
  }
}

function axis(count, offset, scale, limit) {
  const first = new Uint16Array(count);
  const second = new Uint16Array(count);
  const share = new Float32Array(count);
  const step = scale / MASK_STRIDE;
  for (let index = 0; index < count; index += 1) {
    const at = Math.min(Math.max((index + 0.5 - offset) * step - 0.5, 0), limit - 1);
    first[index] = Math.floor(at);
    second[index] = Math.min(first[index] + 1, limit - 1);
    share[index] = at - first[index];
  }
  return { first, second, share };
}

function cropTo(bytes, stride, [x0, y0, x1, y1], area) {
  const width = x1 - x0 + 1;
  const height = y1 - y0 + 1;
  const out = new Uint8Array(width * height);
  for (let row = 0; row < height; row += 1) {
    const from = (y0 + row) * stride + x0;
    out.set(bytes.subarray(from, from + width), row * width);
  }
  return { x: x0, y: y0, width, height, bytes: out, areaPx: area };
}
