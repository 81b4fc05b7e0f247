"""The OpenAPI document as an HTML page for people. It loads nothing from elsewhere and needs no script."""

from __future__ import annotations

import html
import json
from typing import Any

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
"""The page's style sheet, a file of its own: the Content-Security-Policy forbids styles inside pages."""


def docs_page(document: dict[str, Any]) -> str:
    """Return an OpenAPI document as HTML."""
    sections = [
        _operation_section(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    title = html.escape(f"{document['info']['title']} {document['info']['version']}")
    about = html.escape(document["info"]["description"])
    schemas = html.escape(json.dumps(document["components"]["schemas"], indent=2))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}: HTTP routes</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="/docs.css"></head>\n'
        f'<body><main><h1>{title}</h1><p>{about}</p><p><a href="/openapi.json">openapi.json</a></p>\n'
        f"{''.join(sections)}<section><h2>Responses</h2><pre>{schemas}</pre></section></main></body></html>\n"
    )


def _operation_section(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [
        f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>",
        f"<p>{html.escape(operation['summary'])}. {html.escape(operation.get('description', ''))}</p>",
    ]
    if operation.get("security"):
        parts.append("<p>Needs the token.</p>")
    content_types = ", ".join(operation.get("requestBody", {}).get("content", ()))
    if content_types:
        parts.append(f"<p>Body: {html.escape(content_types)}</p>")
    if "parameters" in operation:
        parts.append(_parameter_table(operation["parameters"]))
    responses = "".join(
        f"<li><code>{status}</code> {html.escape(response['description'])}</li>"
        for status, response in operation["responses"].items()
    )
    return f"<section>{''.join(parts)}<ul>{responses}</ul></section>\n"


def _parameter_table(parameters: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(parameter['name'])}</code></td><td>{_values(parameter['schema'])}</td>"
        f"<td>{html.escape(parameter['description'])}</td></tr>"
        for parameter in parameters
    )
    head = "<thead><tr><th>Option</th><th>Value</th><th>Meaning</th></tr></thead>"
    return f"<table>{head}<tbody>{rows}</tbody></table>"


def _values(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " ".join(f"<code>{html.escape(str(value))}</code>" for value in schema["enum"])
    return html.escape(str(schema["type"]))
