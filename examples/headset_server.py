"""Serve the model to headsets and other programs; with --simulate, to a simulated headset that shows that it works.

    python examples/headset_server.py [--port 8765] [--simulate]

Expect: one line with the addresses, then nothing until Ctrl+C; with --simulate what headset_client.py prints.

A headset's program talks to ws://127.0.0.1:8765/api/stream as docs/reference/protocol.md says. For a headset over
the network give --host 0.0.0.0 and a token of 16 characters or more. `sam-edge serve` does the same and has more
options.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
from pathlib import Path

try:
    import cv2

    from sam_edge.errors import SamEdgeError
    from sam_edge.serve.models.engines import Engines
    from sam_edge.serve.server import Server
except ImportError as error:
    sys.exit(f"{error}. This example needs: pip install -e '.[serve]'")
except KeyboardInterrupt:
    sys.exit(130)

CLIENT = Path(__file__).parent / "headset_client.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--token", default="")
    parser.add_argument("--simulate", action="store_true", help="run a simulated headset, then end")
    parser.add_argument(
        "--gaze", choices=("rays", "pixels", "pinch"), default="rays", help="of the simulated one"
    )
    args = parser.parse_args()
    # OpenCV's own threads compete with the encoder for the cores.
    cv2.setNumThreads(1)
    with Engines() as engines, Server(engines, host=args.host, port=args.port, token=args.token) as server:
        print(f"headsets connect to {server.stream_url}, browsers to {server.url}", flush=True)
        if args.simulate:
            simulated = [sys.executable, str(CLIENT), server.stream_url, f"--token={args.token}"]
            raise SystemExit(subprocess.run([*simulated, f"--gaze={args.gaze}"], check=False).returncode)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("closing")


if __name__ == "__main__":
    try:
        main()
    except SamEdgeError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
