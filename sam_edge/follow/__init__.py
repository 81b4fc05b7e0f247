"""Following an object from frame to frame by a small trained network."""
