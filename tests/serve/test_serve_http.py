"""The HTTP routes of a real server."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sam_edge.masks import Rle, polygons_to_mask
from sam_edge.media.png import encode_png
from sam_edge.serve.http.openapi import openapi_document
from sam_edge.serve.models.engines import Engines
from sam_edge.serve.server import Server

Ask = Callable[..., Any]
TOKEN = "correct horse battery staple"
PICTURE = {"Content-Type": "image/jpeg"}
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""First row and column, and steps down and across, of the passes of an interlaced PNG."""


def test_the_server_says_that_it_is_well(server: Server, ask: Ask) -> None:
    answer = ask(server, "/healthz")
    assert answer.status == 200
    assert json.loads(answer.body) == {"status": "ok"}


def test_every_answer_isolates_the_page_and_lets_nothing_in(server: Server, ask: Ask) -> None:
    for path in ("/", "/healthz", "/api/info", "/nowhere", "/assets/nothing.js", "/docs"):
        headers = ask(server, path).headers
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert f"connect-src 'self' ws://127.0.0.1:{server.port} " in policy
        assert "unsafe-inline" not in policy


def test_info_says_what_there_is(server: Server, ask: Ask) -> None:
    info = json.loads(ask(server, "/api/info").body)
    assert info["protocol"] == {"lowest": 2, "highest": 2, "stream": "/api/stream"}
    assert info["engine"] == "fake"
    assert info["engines"][0] == {
        "name": "fake", "precision": "none", "device": "CPU", "threads": 1, "open": True,
    }  # fmt: skip
    assert [672, 448] in info["sizes"]
    assert info["decoder"]["inputs"] == ["embedding", "points", "labels"]
    for one in (info["decoder"], info["decoder"]["with_mask"], *info["decoder"]["external_data"]):
        assert ask(server, one["url"]).status == 200


def test_the_decoder_comes_whole_and_once(server: Server, ask: Ask, engines: Engines) -> None:
    entries = {entry.path: entry for entry in engines.bundle.manifest.files}
    for name in ("decoder.onnx", "decoder_points.onnx", "decoder.weights"):
        answer = ask(server, f"/api/{name}")
        assert hashlib.sha256(answer.body).hexdigest() == entries[name].sha256
        again = ask(server, f"/api/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status == 304
        assert again.body == b""


@pytest.mark.parametrize(
    "path",
    [
        "/api/encoder.weights",
        "/api/manifest.json",
        "/api/..%2fmanifest.json",
        "/assets/../server.py",
        "/assets/%2e%2e/server.py",
        "/assets/..%5cserver.py",
        "/vendor/../../server.py",
        "/nowhere",
    ],
)
def test_no_other_file_comes_out(server: Server, ask: Ask, path: str) -> None:
    assert ask(server, path).status in (400, 404)


def test_the_clip_comes_in_parts(server: Server, ask: Ask) -> None:
    answer = ask(server, "/demo.mp4", headers={"Range": "bytes=4-7"})
    assert answer.status == 206
    assert answer.body == b"ftyp"
    assert answer.headers["content-type"] == "video/mp4"


def segmented(server: Server, ask: Ask, jpeg: bytes, query: str) -> dict[str, Any]:
    answer = ask(server, f"/segment?{query}", method="POST", body=jpeg, headers=PICTURE)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_a_picture_is_segmented(server: Server, ask: Ask, jpeg: bytes) -> None:
    found = segmented(server, ask, jpeg, "point=100,120")
    assert found["frame"] == [320, 240]
    assert found["engine"] == "fake, none"
    assert len(found["masks"]) == 4
    for mask in found["masks"]:
        decoded = Rle.from_json(mask["rle"]).mask()
        assert decoded.sum() == mask["area_px"]
        assert decoded[120, 100]
        assert mask["box"][0] <= 100 <= mask["box"][2]


def test_masks_are_written_as_asked(server: Server, ask: Ask, jpeg: bytes) -> None:
    whole = segmented(server, ask, jpeg, "box=40,50,200,150&multimask=false")["masks"]
    assert len(whole) == 1
    truth = Rle.from_json(whole[0]["rle"]).mask()
    png = segmented(server, ask, jpeg, "box=40,50,200,150&multimask=false&masks=png")["masks"][0]["png"]
    image = cv2.imdecode(np.frombuffer(base64.b64decode(png), np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(np.asarray(image) > 0, truth)
    outline = segmented(server, ask, jpeg, "box=40,50,200,150&multimask=false&masks=polygons")["masks"][0]
    assert (polygons_to_mask(outline["polygons"], (240, 320)) == truth).mean() > 0.99
    none = segmented(server, ask, jpeg, "box=40,50,200,150&masks=none")["masks"][0]
    assert not {"rle", "png", "polygons"} & set(none)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "nothing is prompted"),
        ("negative_point=1,1", "nothing is prompted"),
        ("point=1", "point"),
        ("point=nan,1", "point"),
        ("point=1e9,1", "outside"),
        ("box=10,10,5,5", "box"),
        ("box=1,1,5,5&box=1,1,5,5", "2 times"),
        ("point=1,1&masks=gif", "masks"),
        ("point=1,1&size=999x1", "size"),
        ("point=1,1&engine=abacus", "engine"),
        ("point=1,1&colour=red", "colour"),
        ("&".join(["point=1,1"] * 65), "65 points"),
    ],
)
def test_what_is_not_accepted_is_said(server: Server, ask: Ask, jpeg: bytes, query: str, words: str) -> None:
    answer = ask(server, f"/segment?{query}", method="POST", body=jpeg, headers=PICTURE)
    assert answer.status == 400
    error = json.loads(answer.body)["error"]
    assert error["code"] == "invalid_option"
    assert words in error["message"]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_an_embedding_comes_with_what_it_is(
    server: Server, ask: Ask, jpeg: bytes, scene: NDArray[np.uint8], engines: Engines, dtype: str
) -> None:
    answer = ask(
        server, f"/api/encode?size=448x448&view=10,20,200,100&dtype={dtype}", method="POST", body=jpeg
    )
    assert answer.status == 200, answer.body
    told = json.loads(answer.headers["x-sam-edge-embedding"])
    data = np.frombuffer(answer.body, np.dtype(dtype).newbyteorder("<")).reshape(told["shape"])
    assert told["view"] == [10, 20, 200, 100]
    assert told["frame"] == [320, 240]
    assert told["size"] == [448, 448]
    assert told["inside"] == [448, 224]
    assert told["scale"] == [2.24, 2.24]
    from sam_edge.geometry import View
    from sam_edge.serve.image_decoding import read_image

    image = read_image(jpeg, max_pixels=1 << 20).image
    expected = engines.segmenter().encode(image, size=(448, 448), view=View(10, 20, 200, 100))
    assert np.allclose(data, expected.data, atol={"float32": 0, "float16": 1e-3}[dtype])


def test_an_upright_picture_is_what_exif_says(server: Server, ask: Ask, jpeg: bytes) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    turned = jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]
    assert segmented(server, ask, turned, "point=100,120")["frame"] == [240, 320]


def bomb() -> bytes:
    """A JPEG of 64 pixels that claims to be 65500x65500."""
    small = bytearray(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    at = small.index(b"\xff\xc0") + 5
    small[at : at + 4] = (65500).to_bytes(2, "big") * 2
    return bytes(small)


def png_bomb() -> bytes:
    small = bytearray(encode_png(np.zeros((8, 8, 3), np.uint8)))
    small[16:24] = (50_000).to_bytes(4, "big") * 2
    return bytes(small)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_goes_on() -> bytes:
    """A PNG of eight by eight whose compressed rows unpack to 64 MB."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    parts = (
        chunk(b"IHDR", header),
        chunk(b"IDAT", rows[:9000]),
        chunk(b"IDAT", rows[9000:]),
        chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_png_is_not_unpacked_beyond_its_rows(server: Server, ask: Ask) -> None:
    answered = ask(server, "/segment?point=4,4", method="POST", body=png_that_goes_on())
    assert answered.status == 400
    assert "decompresses to more than its 8x8 pixels" in json.loads(answered.body)["error"]["message"]


def interlaced_png(picture: NDArray[np.uint8]) -> bytes:
    """Write a PNG in Adam7's seven passes (PNG specification, 8.2)."""
    height, width, channels = picture.shape
    rows = b""
    for top, left, down, across in ADAM7:
        part = picture[top::down, left::across]
        rows += b"".join(b"\0" + row.tobytes() for row in part if row.size)
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 1)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("interlaced", [False, True])
def test_pngs_of_every_kind_are_read(
    server: Server, ask: Ask, scene: NDArray[np.uint8], channels: int, interlaced: bool
) -> None:
    """Interlaced ones have more rows than they are high."""
    picture = np.resize(scene, (7, 5, channels))
    body = interlaced_png(picture) if interlaced else cv2.imencode(".png", picture)[1].tobytes()
    told = segmented(server, ask, body, "point=2,3&masks=none")
    assert told["frame"] == [5, 7]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/assets/nothing.js", 404),
        ("PUT", "/segment", 405),
        ("GET", "/vendor/x", 404),
    ],
)
def test_what_is_not_there_is_refused_like_everything_else(
    server: Server, ask: Ask, method: str, path: str, status: int
) -> None:
    answered = ask(server, path, method=method)
    assert answered.status == status
    assert json.loads(answered.body)["error"]["code"] == "invalid_option"


@pytest.mark.parametrize("make", [bomb, png_bomb])
def test_bombs_are_not_unpacked(server: Server, ask: Ask, make: Callable[[], bytes]) -> None:
    answer = ask(server, "/segment?point=1,1", method="POST", body=make())
    assert answer.status == 413
    assert json.loads(answer.body)["error"]["code"] == "too_large"


def test_many_scans_are_not_unpacked(server: Server, ask: Ask, jpeg: bytes) -> None:
    at = jpeg.index(b"\xff\xda")
    scans = jpeg[:at] + jpeg[at : at + 14] * 100 + jpeg[at:]
    assert ask(server, "/segment?point=1,1", method="POST", body=scans).status == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 415),
        (b"GIF89a", 415),
        (b"\xff\xd8", 400),
        (b"\xff\xd8\xff\xe0", 400),
        (b"\x89PNG\r\n\x1a\n", 400),
    ],
)
def test_what_is_no_picture_is_refused(server: Server, ask: Ask, body: bytes, status: int) -> None:
    answer = ask(server, "/api/encode", method="POST", body=body)
    assert answer.status == status
    assert json.loads(answer.body)["error"]["code"] == "invalid_image"


def test_a_body_that_is_too_long_is_not_read(serve: Callable[..., Server], ask: Ask) -> None:
    running = serve(limits={"picture_bytes": 1000})
    answer = ask(running, "/segment?point=1,1", method="POST", body=bytes(5000))
    assert answer.status == 413


def test_pictures_beyond_those_worked_on_are_put_off(
    serve: Callable[..., Server], ask: Ask, jpeg: bytes
) -> None:
    import socket

    running = serve(limits={"pictures": 1})
    head = f"POST /segment?point=1,1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.port)) as slow:
        slow.sendall(head.encode() + jpeg[:100])
        statuses = set()
        for _ in range(50):
            statuses.add(ask(running, "/segment?point=1,1", method="POST", body=jpeg).status)
            if 503 in statuses:
                break
        slow.sendall(jpeg[100:])
        assert slow.recv(12) == b"HTTP/1.1 200"
    assert 503 in statuses


def test_a_token_is_needed_where_one_is_set(serve: Callable[..., Server], ask: Ask, jpeg: bytes) -> None:
    running = serve(token=TOKEN)
    for path in ("/healthz", "/openapi.json", "/docs", "/demo.mp4"):
        assert ask(running, path).status == 200
    for path in ("/api/info", "/metrics", "/api/decoder.onnx"):
        assert ask(running, path).status == 401
        assert ask(running, path, headers={"Authorization": f"Bearer {TOKEN}x"}).status == 401
        assert ask(running, path, headers={"Authorization": f"Basic {TOKEN}"}).status == 401
        assert ask(running, path, headers={"Authorization": f"Bearer {TOKEN}"}).status == 200
    assert ask(running, "/segment?point=1,1", method="POST", body=jpeg).status == 401
    assert ask(running, "/api/info").headers["www-authenticate"] == "Bearer"


def test_foreign_pages_and_names_are_turned_away(server: Server, ask: Ask) -> None:
    own = f"http://127.0.0.1:{server.port}"
    assert ask(server, "/api/info", headers={"Origin": own}).status == 200
    for origin in ("http://evil.example", "null", "", own + "0", own.replace("http", "file")):
        assert ask(server, "/api/info", headers={"Origin": origin}).status == 403
    assert ask(server, "/api/info", headers={"Host": f"localhost:{server.port}"}).status == 200
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", "["):
        assert ask(server, "/api/info", headers={"Host": host}).status == 403


def test_a_site_that_was_allowed_may_read(serve: Callable[..., Server], ask: Ask) -> None:
    site = "https://app.example"
    running = serve(allowed_origins=(site,))
    answer = ask(running, "/api/info", headers={"Origin": site})
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == site
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    preflight = ask(running, "/api/encode", method="OPTIONS", headers={"Origin": site})
    assert preflight.status == 204
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    assert ask(running, "/api/info", headers={"Origin": "https://other.example"}).status == 403


def test_metrics_are_prometheus_text(server: Server, ask: Ask, jpeg: bytes) -> None:
    segmented(server, ask, jpeg, "point=1,1")
    answer = ask(server, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = {}
    for line in answer.body.decode().splitlines():
        if line.startswith("#"):
            assert line.split()[1] in ("HELP", "TYPE")
        else:
            name, value = line.rsplit(" ", 1)
            assert math.isfinite(float(value))
            values[name] = float(value)
    assert values['sam_edge_requests_total{route="/segment",status="200"}'] >= 1
    buckets = [value for name, value in values.items() if name.startswith("sam_edge_frame_seconds_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == values["sam_edge_frame_seconds_count"]


def test_every_route_is_described(server: Server, ask: Ask) -> None:
    described = json.loads(ask(server, "/openapi.json").body)
    assert described == json.loads(json.dumps(openapi_document(token_needed=False)))
    for path, methods in described["paths"].items():
        for method in methods:
            # A route that is not there would be 404, another method 405.
            assert ask(server, path, method=method.upper()).status in (200, 400, 415), path
    references = json.dumps(described).count('"$ref": "#/components/schemas/')
    assert references > 5


def test_the_description_for_people_needs_nothing_from_elsewhere(server: Server, ask: Ask) -> None:
    page = ask(server, "/docs").body.decode()
    assert "POST /segment" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
    assert ask(server, "/docs.css").headers["content-type"].startswith("text/css")


def test_the_description_is_valid(repo_dir: Path) -> None:
    """By OpenAPI's own rules, as far as they can be checked here: operation ids are unique, references resolve."""
    described = openapi_document(token_needed=True)
    operations = [one for methods in described["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    assert all({"summary", "responses"} <= set(one) for one in operations)
    text = json.dumps(described)
    for name in ("Error", "Segmentation", "Mask"):
        assert f"#/components/schemas/{name}" in text
        assert name in described["components"]["schemas"]
    page = (repo_dir / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")
    for path in described["paths"]:
        assert path in page
