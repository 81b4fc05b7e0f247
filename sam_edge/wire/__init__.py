"""The wire protocol between `sam-edge serve` and its clients: messages, and their bytes.

docs/reference/protocol.md specifies it.
Neither this package nor `sam_edge.client` needs a library of the server.
"""
