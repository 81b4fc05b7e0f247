"""Selection over the network: the server. docs/serving.md describes it, docs/protocol.md specifies its messages.

`sam_edge.serve.server.Server` is the server; `sam_edge.client` connects to it.
"""
