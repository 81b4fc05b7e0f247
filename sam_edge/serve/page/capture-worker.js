// Makes a JPEG of a picture, off the page's own thread: there a browser would wait for an idle moment.

const QUALITY = 0.85;
let canvas = null;
let context = null;

self.onmessage = async ({ data: { picture, width, height, quality = QUALITY } }) => {
  if (canvas?.width !== width || canvas?.height !== height) {
    canvas = new OffscreenCanvas(width, height);
    context = canvas.getContext("2d", { alpha: false });
  }
  context.drawImage(picture, 0, 0, width, height);
  picture.close();
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality });
  self.postMessage({ blob, width, height });
};
