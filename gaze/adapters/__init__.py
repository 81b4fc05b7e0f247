"""Adapters: one module per tracker protocol, found by `sam_edge.gaze.registry`."""
