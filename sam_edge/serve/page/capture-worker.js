// Encodes images as JPEG in a worker: on the page's own thread, browsers delay the encoding until the page is idle.

const QUALITY = 0.85;
let canvas = null;
let context = null;

self.onmessage = async ({ data: { image, width, height, quality = QUALITY } }) => {
  if (canvas?.width !== width || canvas?.height !== height) {
    canvas = new OffscreenCanvas(width, height);
    context = canvas.getContext("2d", { alpha: false });
  }
  context.drawImage(image, 0, 0, width, height);
  image.close();
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality });
  self.postMessage({ blob, width, height });
};
