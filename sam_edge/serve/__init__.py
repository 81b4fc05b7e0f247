"""Selection over the network: the server.

docs/how-to/serving.md describes it, docs/reference/protocol.md specifies its messages.
`sam_edge.serve.server.Server` is the server; `sam_edge.client` connects to it.
"""
