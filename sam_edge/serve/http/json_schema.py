"""JSON schemas of response types: `TypedDict` classes, lists and plain values."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin, get_type_hints, is_typeddict

SUFFIX = "Json"
"""Response classes end with this; their schemas' names do not."""
PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bytes: {"type": "string", "format": "binary"},
    dict: {"type": "object"},
}


def schema_of(response_type: Any) -> dict[str, Any]:
    """Return the schema of a type; a `TypedDict` becomes a reference to its named schema.

    `Annotated[type, "text"]` adds a description.
    """
    if response_type in PLAIN:
        return dict(PLAIN[response_type])
    if is_typeddict(response_type):
        return {"$ref": f"#/components/schemas/{schema_name(response_type)}"}
    arguments = get_args(response_type)
    if get_origin(response_type) is Annotated:
        return {**schema_of(arguments[0]), "description": arguments[1]}
    if get_origin(response_type) is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    raise TypeError(f"response type: {response_type} has no JSON schema; add it to schema_of")


def named_schemas(*response_types: Any) -> dict[str, dict[str, Any]]:
    """Return the schemas of all `TypedDict` classes that these types hold, by name."""
    schemas: dict[str, dict[str, Any]] = {}
    for response_type in response_types:
        if is_typeddict(response_type):
            fields = get_type_hints(response_type, include_extras=True)
            required = [name for name in fields if name in response_type.__required_keys__]
            schemas[schema_name(response_type)] = {
                "type": "object",
                **({"required": required} if required else {}),
                "properties": {name: schema_of(field_type) for name, field_type in fields.items()},
            }
            schemas |= named_schemas(*fields.values())
        else:
            schemas |= named_schemas(*get_args(response_type))
    return schemas


def schema_name(response_type: Any) -> str:
    """Return the name of a class's schema."""
    name: str = response_type.__name__
    return name.removesuffix(SUFFIX)
