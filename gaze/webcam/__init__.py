"""Gaze from an ordinary webcam: face and iris landmarks, head pose, a model of the eyes, a calibration.

`sam_edge.gaze.open("webcam")` opens the first camera; docs/how-to/webcam_gaze.md says how to calibrate, and what to
expect.
"""
