"""Takers of what a session does, for `GazeSession.trace`: OpenTelemetry and Rerun. Each needs its own extra."""
