"""p."""
MOVEMENT = tuple(((0.0,)*23,(0.0,)*23) for _ in range(5))
PURSUIT = tuple((0.0,)*10 for _ in range(5))
CONTEXT = tuple((0.0,1.0,0.0) for _ in range(5))
