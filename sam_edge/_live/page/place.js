// Where the picture is on the screen, as shares of the screen: gaze on the screen becomes gaze on the picture.

/** Place of the page's corner on the screen, CSS pixels; a pointer's events state it exactly. */
let corner = null;

addEventListener("pointermove", (event) => {
  corner = { x: event.screenX - event.clientX, y: event.screenY - event.clientY };
});
addEventListener("resize", () => { corner = null; });

function cornerOfPage() {
  if (document.fullscreenElement) return { x: 0, y: 0 };
  if (corner) return corner;
  // The frame around a window is as wide on the left as below; what is left above are its bars.
  const border = (outerWidth - innerWidth) / 2;
  return { x: screenX + border, y: screenY + outerHeight - innerHeight - border };
}

/** The frames' own rectangle in an image that may be letter-boxed. */
function contentBox(image) {
  const box = image.getBoundingClientRect();
  const scale = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  return { left: box.left + (box.width - width) / 2, top: box.top + (box.height - height) / 2, width, height };
}

/** Place of an image's content as shares of the screen: left, top, width, height. Null before it is shown. */
export function placeOnScreen(image) {
  if (!image.naturalWidth || !image.clientWidth) return null;
  const { x, y } = cornerOfPage();
  const { left, top, width, height } = contentBox(image);
  return {
    left: (x + left) / screen.width,
    top: (y + top) / screen.height,
    width: width / screen.width,
    height: height / screen.height,
  };
}
