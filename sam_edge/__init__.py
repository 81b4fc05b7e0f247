"""sam-edge."""
