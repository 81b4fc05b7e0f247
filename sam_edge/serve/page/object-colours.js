// One colour for each object, by its number: the same in the list and over the video.

// Steps of the golden angle keep the hues of neighbouring numbers far apart, however many objects there are.
const GOLDEN_ANGLE = 137.508;
const FIRST_HUE = 8;

/** The colour of an object as CSS text. Bright enough for dark text on it. */
export function colourOf(objectId) {
  const hue = (FIRST_HUE + GOLDEN_ANGLE * (objectId - 1)) % 360;
  return `oklch(0.76 0.16 ${hue.toFixed(1)})`;
}
