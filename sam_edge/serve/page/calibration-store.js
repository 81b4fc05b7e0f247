// Stores the last webcam calibration in this browser: a few numbers, for one screen.

const KEY = "sam-edge-calibration";

/** The calibration stored for a screen, or null. */
export function loadCalibration(screenKey) {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY));
    const usable = stored?.screen === screenKey && typeof stored.calibration === "string" && stored.measured;
    return usable ? stored : null;
  } catch {
    return null;
  }
}

/** Store `{screen, measured, calibration, accuracyDeg}`. Returns false if the browser does not store anything. */
export function saveCalibration(entry) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...entry, at: Date.now() }));
  } catch {
    return false;
  }
  return true;
}

/** When a calibration was made, in words. */
export function dateInWords({ at }) {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  const clock = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return today ? `today at ${clock}` : date.toLocaleDateString();
}
