"""Parts of `sam_edge.gaze.calibrate`; import from there."""
