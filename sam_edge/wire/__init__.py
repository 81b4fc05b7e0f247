"""The wire format: the messages between client and server, as values and as bytes. docs/protocol.md specifies it.

Needs no server libraries: `sam_edge.client` and `sam_edge.serve` both import it.
"""
