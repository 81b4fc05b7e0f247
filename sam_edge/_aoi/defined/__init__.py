"""AOIs that are defined beforehand: found where they appear, also when nobody looks at them."""
