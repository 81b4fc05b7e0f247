"""`sam-edge serve`: the page, the WebSocket and the HTTP routes."""

from __future__ import annotations

import argparse
import os
import secrets
from dataclasses import replace
from pathlib import Path

import cv2

from sam_edge.cli.options import add_model, parse_size

TOKEN = "SAM_EDGE_TOKEN"
"""Environment variable that holds the token: unlike an argument, other users do not see it."""
AUTO = "auto"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `serve`."""
    parser = subparsers.add_parser("serve", help="a page, and a server for headsets and other programs")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=8765, help="port to listen at (default: 8765)")
    parser.add_argument(
        "--token",
        default=os.environ.get(TOKEN, ""),
        help=f"what clients have to show; needed at any address but loopback; auto makes one; default: ${TOKEN}",
    )
    parser.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="URL",
        help="a foreign site whose pages may connect, for example https://example.org; repeatable",
    )
    parser.add_argument(
        "--cert", type=Path, metavar="PEM", help="TLS certificate: cameras need TLS over a network"
    )
    parser.add_argument("--key", type=Path, metavar="PEM", help="its private key")
    parser.add_argument("--clients", type=int, metavar="N", help="most clients at a time (default: 8)")
    add_model(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Serve until it is told to end."""
    from sam_edge.serve.limits import Limits
    from sam_edge.serve.models.engines import Engines
    from sam_edge.serve.server import Server

    # OpenCV's own threads compete with the encoder for the cores (docs/selection.md).
    cv2.setNumThreads(1)
    limits = Limits() if given.clients is None else replace(Limits(), clients=given.clients)
    token = secrets.token_urlsafe(24) if given.token == AUTO else given.token
    with Engines(
        given.model,
        runtime=given.runtime,
        threads=given.threads,
        precision=given.precision,
        multi_client=limits.clients > 1,
    ) as engines:
        server = Server(
            engines,
            host=given.host,
            port=given.port,
            token=token,
            origins=tuple(given.origin),
            limits=limits,
            size=parse_size(given.size),
            cert=given.cert,
            key=given.key,
        )
        server.listen()
        model = engines.segmenter().runtime
        print(f"sam-edge serves on {model.name} ({model.precision}, {model.threads} threads)", flush=True)
        print(f"page     {server.url}", flush=True)
        print(f"clients  {server.stream_url}", flush=True)
        if given.host in ("0.0.0.0", "::"):
            print(
                f"from other machines: the same, with this machine's address for {server.url.split('/')[2]}"
            )
        server.run()
    print("sam-edge: closed")
    return 0
