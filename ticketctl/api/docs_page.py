"""The page /docs: the OpenAPI document as plain HTML, without a script.

FastAPI's own page loads Swagger UI from a third party, which could then read what a person types there.
"""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font: 600 1.1rem ui-monospace, monospace; border-top: 1px solid #8888; padding-top: 1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }
pre { overflow: auto; background: #8881; padding: .5rem; }
:root { color-scheme: light dark; }
"""
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""The page runs no script, loads nothing, and cannot be framed."""


def render(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    operations = "".join(
        part
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for part in _render_operation(f"{method.upper()} {path}", operation, document)
    )
    summary = escape(document["info"]["summary"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>{summary}</p>"
        "<p>Send a token as <code>Authorization: Bearer TOKEN</code>. "
        '<a href="/openapi.json">/openapi.json</a> is the document that this page shows.</p>'
        f"{operations}</body></html>"
    )


def _render_operation(name: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2>{escape(name)}</h2><p>{escape(operation.get('description', operation['summary']))}</p>"
    rows = [
        (f"{one['name']} ({one['in']})", one.get("description", ""), _describe_schema(one["schema"]))
        for one in operation.get("parameters", ())
    ]
    if "requestBody" in operation:
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        rows += [
            (f"{field} (body)", about.get("description", ""), _describe_schema(about))
            for field, about in schema["properties"].items()
        ]
    if rows:
        yield _render_table(("parameter", "meaning", "form"), rows)
    responses = operation["responses"].items()
    yield _render_table(("status", "meaning"), [(status, one["description"]) for status, one in responses])
    example = next(iter(operation["responses"].values())).get("content", {}).get("application/json", {})
    if "example" in example:
        yield f"<pre>{escape(json.dumps(example['example'], indent=2, ensure_ascii=False))}</pre>"


def _describe_schema(schema: Mapping[str, Any]) -> str:
    """Return the constraints of a schema in a few words."""
    names = ("type", "enum", "default", "minimum", "maximum", "minLength", "maxLength")
    return "; ".join(f"{name}: {json.dumps(schema[name])}" for name in names if name in schema)


def _render_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def render_row(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{render_row(head, 'th')}{''.join(render_row(row, 'td') for row in rows)}</table>"
