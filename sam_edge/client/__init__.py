"""A Python client of `sam-edge serve`. Needs the library `websockets`, and nothing else of the server's."""
