// The calibration that this browser keeps: a few numbers, for one screen.

const KEY = "sam-edge-calibration";

/** What was kept for a screen, or null. */
export function keptFor(screenKey) {
  try {
    const found = JSON.parse(localStorage.getItem(KEY));
    return found?.screen === screenKey && typeof found.kept === "string" && found.measured ? found : null;
  } catch {
    return null;
  }
}

/** Keep `{screen, measured, kept, accuracyDeg}`. A browser that keeps nothing asks for a calibration each time. */
export function keep(calibration) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...calibration, at: Date.now() }));
  } catch {
    return false;
  }
  return true;
}

/** When it was made, for people. */
export function whenOf({ at }) {
  const made = new Date(at);
  const today = made.toDateString() === new Date().toDateString();
  const clock = made.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return today ? `today at ${clock}` : made.toLocaleDateString();
}
