"""Selection over the network: the server, its protocol, and a client.

`sam_edge.serve.client` connects to a server, `sam_edge.serve.server` is one. docs/protocol.md specifies what they say.
"""
