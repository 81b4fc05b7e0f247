"""`sam-edge serve`: a server with a web page, a WebSocket and HTTP routes."""

from __future__ import annotations

import argparse
import os
import secrets
from dataclasses import replace
from pathlib import Path

import cv2

from sam_edge.cli.options import add_model, parse_size

TOKEN_VARIABLE = "SAM_EDGE_TOKEN"
"""Environment variable with the token: other users of the machine can see arguments, but not variables."""
AUTO_TOKEN = "auto"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `serve`."""
    parser = subparsers.add_parser(
        "serve", help="serve a web page, and a WebSocket for headsets and other programs"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)"
    )
    parser.add_argument("--port", type=int, default=8765, help="port to listen on (default: 8765)")
    parser.add_argument(
        "--token",
        default=os.environ.get(TOKEN_VARIABLE, ""),
        help=f"token that clients must send; required unless the address is loopback; auto: make one (default: "
        f"${TOKEN_VARIABLE})",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="URL",
        help="another site whose pages may connect, for example https://example.org, or the address of a reverse "
        "proxy in front of this server; repeatable",
    )
    parser.add_argument(
        "--cert",
        type=Path,
        metavar="PEM",
        help="TLS certificate; browsers give camera access over a network only with TLS",
    )
    parser.add_argument("--key", type=Path, metavar="PEM", help="private key of the certificate")
    parser.add_argument(
        "--clients", type=int, metavar="N", help="maximum number of clients at a time (default: 8)"
    )
    add_model(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from sam_edge.serve.limits import Limits
    from sam_edge.serve.models.engines import Engines
    from sam_edge.serve.server import Server, check_certificate

    # OpenCV's own threads compete with the encoder for the cores (docs/explanation/selection.md).
    cv2.setNumThreads(1)
    limits = Limits() if args.clients is None else replace(Limits(), clients=args.clients)
    token = secrets.token_urlsafe(24) if args.token == AUTO_TOKEN else args.token
    check_certificate(args.cert, args.key)
    with Engines(
        args.model,
        runtime=args.runtime,
        threads=args.threads,
        precision=args.precision,
        multi_client=limits.clients > 1,
    ) as engines:
        server = Server(
            engines,
            host=args.host,
            port=args.port,
            token=token,
            allowed_origins=tuple(args.allow_origin),
            limits=limits,
            size=parse_size(args.size),
            cert=args.cert,
            key=args.key,
        )
        server.listen()
        model = engines.segmenter().runtime
        print(f"sam-edge serves on {model.name} ({model.precision}, {model.threads} threads)", flush=True)
        print(f"page     {server.url}", flush=True)
        print(f"clients  {server.stream_url}", flush=True)
        if args.host in ("0.0.0.0", "::"):
            print(
                f"from other machines: the same, with this machine's address for {server.url.split('/')[2]}"
            )
        server.run()
    print("sam-edge: closed")
    return 0
