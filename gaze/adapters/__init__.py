"""Adapters: one module for each way in which gaze comes, found by `sam_edge.gaze.registry`."""
