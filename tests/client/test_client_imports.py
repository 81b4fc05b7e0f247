"""The client needs no library of the server."""

from __future__ import annotations

import subprocess
import sys

BLOCKED = (
    "starlette",
    "uvicorn",
    "h11",
    "sam_edge.serve",
    "sam_edge.web",
    "torch",
    "onnxruntime",
    "openvino",
)
PROGRAM = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if any(name == blocked or name.startswith(blocked + ".") for blocked in {BLOCKED}):
            raise ImportError(f"{{name}} is blocked")
        return None

sys.meta_path.insert(0, Blocker())
import sam_edge.client as client
import sam_edge.client.webcam
from sam_edge.wire import protocol
from sam_edge.wire.messages import Hello

assert protocol.decode_client_message(protocol.encode(Hello())) == Hello()
for name in client.__all__:
    getattr(client, name)
try:
    client.connect("ws://127.0.0.1:9", timeout_s=1)
except Exception as error:
    print(type(error).__name__)
assert not set(sys.modules) & set({BLOCKED})
"""


def test_the_client_works_without_the_servers_libraries() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    # The program tried to connect, and failed only because no server listens there.
    assert result.stdout.split() == ["SessionError"]
