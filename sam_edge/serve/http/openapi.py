"""The OpenAPI 3.1 document, generated from the route table."""

from __future__ import annotations

from typing import Any

from sam_edge.serve.http.image_requests import EmbeddingJson
from sam_edge.serve.http.json_schema import named_schemas, schema_of
from sam_edge.serve.http.options import Option, options_of
from sam_edge.serve.http.route_table import JSON, OPERATIONS, ErrorJson, ErrorResponse, Operation
from sam_edge.version import __version__

IMAGE_BODY = {
    "required": True,
    "description": "A JPEG or a PNG. An orientation in EXIF is applied.",
    "content": {kind: {"schema": schema_of(bytes)} for kind in ("image/jpeg", "image/png")},
}
UNAUTHORIZED = ErrorResponse(401, "The token is missing or wrong.")
IMAGE_ERRORS = (
    ErrorResponse(400, "The image, a prompt or an option is not accepted; the message says why."),
    ErrorResponse(413, "The image has too many bytes or pixels."),
    ErrorResponse(415, "The body is neither a JPEG nor a PNG."),
    ErrorResponse(503, "The server is busy or shuts down; `Retry-After` says when to try again."),
)


def openapi_document(*, token_needed: bool) -> dict[str, Any]:
    """Describe all operations; `token_needed` says whether the server has a token."""
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        described = _operation(operation, token_needed=token_needed)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    response_types = (operation.response_type for operation in OPERATIONS)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sam-edge",
            "version": __version__,
            "description": "Select objects in images and live video. Live video goes over the WebSocket "
            "`/api/stream`; docs/reference/protocol.md describes its binary protocol.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": named_schemas(ErrorJson, EmbeddingJson, *response_types),
        },
    }


def _operation(operation: Operation[Any], *, token_needed: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"summary": operation.summary, "operationId": operation.operation_id}
    if operation.description:
        described["description"] = operation.description
    options = options_of(operation.options_class)
    if options:
        described["parameters"] = [_parameter(name, option) for name, option in options.items()]
    if operation.takes_image:
        described["requestBody"] = IMAGE_BODY
    described["responses"] = _responses(operation)
    if operation.needs_token:
        described["security"] = [{"token": []}] if token_needed else []
    return described


def _parameter(name: str, option: Option) -> dict[str, Any]:
    schema = dict(option.type.schema)
    described = {
        "name": name,
        "in": "query",
        "required": False,
        "description": option.description,
        "schema": {"type": "array", "items": schema} if option.repeatable else schema,
    }
    return {**described, "style": "form", "explode": True} if option.repeatable else described


def _responses(operation: Operation[Any]) -> dict[str, Any]:
    errors = [*operation.errors]
    if operation.needs_token:
        errors.append(UNAUTHORIZED)
    if operation.takes_image:
        errors += IMAGE_ERRORS
    responses = {"200": _response(operation.response, operation.content_type, operation.response_type)}
    for error in sorted(errors, key=lambda error: error.status):
        responses[str(error.status)] = _response(error.description, JSON, error.response_type)
    return responses


def _response(description: str, content_type: str, response_type: Any) -> dict[str, Any]:
    return {"description": description, "content": {content_type: {"schema": schema_of(response_type)}}}
