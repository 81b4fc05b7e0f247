"""Models and engines, shared by all connections."""
