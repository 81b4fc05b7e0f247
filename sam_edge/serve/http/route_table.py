"""The HTTP routes for programs. Both the routes' checks and the OpenAPI document come from this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar

from sam_edge.serve.http.image_requests import EncodeOptions, SegmentationJson, SegmentOptions

Options = TypeVar("Options")
JSON, BINARY, PLAIN_TEXT = "application/json", "application/octet-stream", "text/plain"


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of routes without options."""


class ErrorDetailJson(TypedDict):
    """An error's code, for programs, and its message, for people."""

    code: str
    message: str


class ErrorJson(TypedDict):
    """The body of every error response."""

    error: ErrorDetailJson


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An error response of one route."""

    status: int
    description: str
    response_type: Any = ErrorJson


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[Options]):
    """One route: how it is called, and what it responds."""

    path: str
    options_class: type[Options]
    """Dataclass of the query's options, for `options.read_options`."""
    operation_id: str
    """Name of the operation in generated clients."""
    summary: str
    response: str
    """Description of the successful response."""
    response_type: Any = dict
    """Type of its body, as `json_schema.schema_of` takes it."""
    content_type: str = JSON
    """Of the successful response."""
    description: str = ""
    method: str = "GET"
    needs_token: bool = True
    """Whether requests must carry the token, if the server has one."""
    takes_image: bool = False
    """Whether the body is a JPEG or a PNG."""
    errors: tuple[ErrorResponse, ...] = ()
    """Error responses that only this route has."""


SEGMENT = Operation(
    path="/segment",
    method="POST",
    operation_id="segment",
    summary="Select objects in an image by points and boxes",
    description="At least one point or box. Masks come best first.",
    options_class=SegmentOptions,
    takes_image=True,
    response="The masks.",
    response_type=SegmentationJson,
)
ENCODE = Operation(
    path="/api/encode",
    method="POST",
    operation_id="encode",
    summary="Encode an image for a decoder that runs elsewhere",
    description="The header `X-Sam-Edge-Embedding` describes the body in JSON, see the schema `Embedding`.",
    options_class=EncodeOptions,
    takes_image=True,
    response="The embedding, little-endian.",
    response_type=bytes,
    content_type=BINARY,
)
INFO = Operation(
    options_class=NoOptions,
    path="/api/info",
    operation_id="info",
    summary="Model, engines, sizes, limits, versions of the protocol",
    response="What the server offers.",
)
DECODER_FILES = tuple(
    Operation(
        options_class=NoOptions,
        path=f"/api/{file}",
        operation_id=operation_id,
        summary=summary,
        response="The file.",
        response_type=bytes,
        content_type=BINARY,
        errors=(ErrorResponse(404, "The server's bundle has no such file."),),
    )
    for file, operation_id, summary in (
        ("decoder.onnx", "decoder", "The decoder, with mask prompts"),
        ("decoder_points.onnx", "decoder_points", "The decoder for points and boxes alone"),
        ("decoder_browser.onnx", "decoder_browser", "The decoder for points and boxes, fast on WebAssembly"),
        ("decoder.weights", "decoder_weights", "Weights that the decoders refer to"),
    )
)
HEALTH = Operation(
    options_class=NoOptions,
    path="/healthz",
    operation_id="health",
    summary="Whether the server is well",
    response="It is.",
    needs_token=False,
    errors=(ErrorResponse(503, "It shuts down.", dict),),
)
METRICS = Operation(
    options_class=NoOptions,
    path="/metrics",
    operation_id="metrics",
    summary="Counts and times for Prometheus",
    response="Prometheus' text format.",
    response_type=str,
    content_type=PLAIN_TEXT,
)
OPERATIONS: tuple[Operation[Any], ...] = (SEGMENT, ENCODE, INFO, *DECODER_FILES, HEALTH, METRICS)
