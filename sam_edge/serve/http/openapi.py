"""The HTTP routes for programs (OpenAPI 3.1) and, from the same description, for people."""

from __future__ import annotations

import html
import json
from typing import Any

from sam_edge.serve.models.engines import SIZES
from sam_edge.version import __version__

PICTURE = {
    "required": True,
    "description": "A JPEG or a PNG. An orientation in EXIF is applied.",
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/jpeg", "image/png")
    },
}
WORDS = {
    "400": "A picture, a prompt or an option is not accepted; the message says why.",
    "401": "The token is missing or wrong.",
    "413": "The picture has too many bytes or pixels.",
    "415": "The body is neither a JPEG nor a PNG.",
    "503": "The server is busy or closing; `Retry-After` says when to try again.",
}
SECURED: list[dict[str, list[str]]] = [{"token": []}]
TYPED = r"-?[0-9]+(\.[0-9]+)?"
SIZE_WORDS = [f"{width}x{height}" for height, width in SIZES]


def _option(name: str, meaning: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": meaning,
        "schema": schema or {"type": "string"},
    }


def _with_commas(count: int, example: str) -> dict[str, Any]:
    pattern = f"^{','.join([TYPED] * count)}$"
    return {"type": "string", "pattern": pattern, "example": example}


def _list(name: str, meaning: str, example: str) -> dict[str, Any]:
    schema = {"type": "array", "items": _with_commas(2, example)}
    return {**_option(name, meaning, **schema), "style": "form", "explode": True}


def _answers(meaning: str, kind: str, *errors: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    content = {kind: {"schema": schema or {"type": "object"}}}
    failed = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "200": {"description": meaning, "content": content},
        **{code: {"description": WORDS[code], "content": failed} for code in errors},
    }


BINARY = {"type": "string", "format": "binary"}
TEXT = {"type": "string"}
SIZE = _option(
    "size",
    "The encoder's input, width x height; by the picture unless given.",
    type="string",
    enum=SIZE_WORDS,
)
ENGINE = _option("engine", "One of `/api/info`'s engines; the server's own unless given.")


def document(*, token_needed: bool) -> dict[str, Any]:
    """Describe the routes.

    Args:
        token_needed: whether requests have to carry a token.
    """
    failures = ("400", "401", "413", "415", "503")
    secured = SECURED if token_needed else []
    paths: dict[str, Any] = {
        "/segment": {
            "post": {
                "summary": "Select things in a picture by points and boxes",
                "description": "At least one point or box. Masks come best first.",
                "operationId": "segment",
                "parameters": [
                    _list("point", "A point on the thing, `x,y`, pixels. Repeatable.", "320,200"),
                    _list("not_point", "A point beside it. Repeatable.", "10,10"),
                    _option(
                        "box",
                        "A box round it, `x0,y0,x1,y1`, pixels.",
                        **_with_commas(4, "10,20,300,400"),
                    ),
                    _option(
                        "multimask",
                        "true: SAM's three masks; false: its single one; all four unless given.",
                        type="boolean",
                    ),
                    _option(
                        "masks",
                        "How masks are written.",
                        type="string",
                        enum=["coco", "png", "polygons", "none"],
                        default="coco",
                    ),
                    SIZE,
                    ENGINE,
                ],
                "requestBody": PICTURE,
                "responses": _answers(
                    "The masks.",
                    "application/json",
                    *failures,
                    schema={"$ref": "#/components/schemas/Segmented"},
                ),
                "security": secured,
            }
        },
        "/api/encode": {
            "post": {
                "summary": "Encode a picture for a decoder that runs elsewhere",
                "description": "The header `X-Sam-Edge-Embedding` says in JSON what the body is: "
                "shape, dtype, frame, view, size, inside, scale.",
                "operationId": "encode",
                "parameters": [
                    SIZE,
                    _option(
                        "view",
                        "The part of the picture to encode, `x0,y0,width,height`, pixels.",
                        **_with_commas(4, "0,0,640,480"),
                    ),
                    _option(
                        "dtype",
                        "Number format of the body.",
                        type="string",
                        enum=["float32", "float16"],
                        default="float32",
                    ),
                    ENGINE,
                ],
                "requestBody": PICTURE,
                "responses": _answers(
                    "The embedding, little-endian.", "application/octet-stream", *failures, schema=BINARY
                ),
                "security": secured,
            }
        },
        "/api/info": {
            "get": {
                "summary": "Model, engines, sizes, limits, versions of the protocol",
                "operationId": "info",
                "responses": _answers("What the server is.", "application/json", "401"),
                "security": secured,
            }
        },
        "/api/decoder.onnx": {"get": _file("The decoder, with mask prompts", "decoder", secured)},
        "/api/decoder_points.onnx": {
            "get": _file("The decoder for points and boxes alone", "decoder_points", secured)
        },
        "/api/decoder_browser.onnx": {
            "get": _file("The same in the form that suits WebAssembly", "decoder_browser", secured)
        },
        "/api/decoder.weights": {
            "get": _file("Weights that the decoders refer to", "decoder_weights", secured)
        },
        "/healthz": {
            "get": {
                "summary": "Whether the server is well",
                "operationId": "health",
                "responses": {
                    **_answers("It is.", "application/json"),
                    "503": {"description": "It is closing."},
                },
            }
        },
        "/metrics": {
            "get": {
                "summary": "Counts and times for Prometheus",
                "operationId": "metrics",
                "responses": _answers("Prometheus' text format.", "text/plain", "401", schema=TEXT),
                "security": secured,
            }
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sam-edge",
            "version": __version__,
            "description": "Select things in pictures and live video. Live video goes over the WebSocket "
            "`/api/stream`, whose binary protocol is described in docs/protocol.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": SCHEMAS,
        },
    }


def _file(summary: str, name: str, secured: list[dict[str, list[str]]]) -> dict[str, Any]:
    return {
        "summary": summary,
        "operationId": name,
        "responses": {
            **_answers("The file.", "application/octet-stream", "401", schema=BINARY),
            "404": {"description": "The server's bundle has no such file."},
        },
        "security": secured,
    }


NUMBER, WHOLE = {"type": "number"}, {"type": "integer"}
SCHEMAS: dict[str, Any] = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": TEXT, "message": TEXT},
            }
        },
    },
    "Segmented": {
        "type": "object",
        "properties": {
            "schema": WHOLE,
            "engine": TEXT,
            "frame": {"type": "array", "items": WHOLE, "description": "Width and height of the picture."},
            "picture_ms": NUMBER,
            "encode_ms": NUMBER,
            "decode_ms": NUMBER,
            "masks": {"type": "array", "items": {"$ref": "#/components/schemas/Mask"}},
        },
    },
    "Mask": {
        "type": "object",
        "properties": {
            "token": {**WHOLE, "description": "Which of SAM's four masks it is."},
            "score": {**NUMBER, "description": "Predicted IoU with the truth."},
            "area_px": WHOLE,
            "box": {"type": "array", "items": NUMBER, "description": "x0, y0, x1, y1, pixels."},
            "rle": {
                "type": "object",
                "properties": {"size": {"type": "array", "items": WHOLE}, "counts": TEXT},
            },
            "png": {**TEXT, "description": "A grey PNG in base64, 255 on the thing."},
            "polygons": {"type": "array", "items": {"type": "array", "items": NUMBER}},
        },
    },
}


def page(described: dict[str, Any]) -> str:
    """Write the description as a page of HTML that needs nothing else: no script, no style from elsewhere."""
    parts = []
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(path, method, operation))
    title = html.escape(f"{described['info']['title']} {described['info']['version']}")
    about = html.escape(described["info"]["description"])
    schemas = html.escape(json.dumps(described["components"]["schemas"], indent=2))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}: HTTP routes</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="/docs.css"></head>\n'
        f'<body><main><h1>{title}</h1><p>{about}</p><p><a href="/openapi.json">openapi.json</a></p>\n'
        f"{''.join(parts)}<section><h2>Answers</h2><pre>{schemas}</pre></section></main></body></html>\n"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(one['name'])}</code></td><td>{_words(one['schema'])}</td>"
        f"<td>{html.escape(one['description'])}</td></tr>"
        for one in operation.get("parameters", ())
    )
    table = (
        f"<table><thead><tr><th>Option</th><th>Is</th><th>Meaning</th></tr></thead><tbody>{rows}</tbody></table>"
        if rows
        else ""
    )
    kinds = ", ".join(operation.get("requestBody", {}).get("content", ()))
    body = f"<p>Body: {html.escape(kinds)}</p>" if kinds else ""
    answers = "".join(
        f"<li><code>{code}</code> {html.escape(one['description'])}</li>"
        for code, one in operation["responses"].items()
    )
    token = "<p>Needs the token.</p>" if operation.get("security") else ""
    return (
        f"<section><h2><code>{method.upper()} {html.escape(path)}</code></h2><p>{html.escape(operation['summary'])}. "
        f"{html.escape(operation.get('description', ''))}</p>{token}{body}{table}<ul>{answers}</ul></section>\n"
    )


def _words(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " ".join(f"<code>{html.escape(str(word))}</code>" for word in schema["enum"])
    return html.escape(str(schema["type"]))


STYLE = """\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
section { border-top: 1px solid #8884; margin-top: 1.5rem; }
code, pre { font: 0.9em ui-monospace, monospace; }
pre { overflow-x: auto; padding: 1rem; background: #8881; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid #8884; }
"""
"""The page's own style sheet: the policy of the server's pages lets no style into the page itself."""
