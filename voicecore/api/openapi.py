"""The OpenAPI 3.1 document of a surface, made from its route table, and a page that shows it without scripts."""

from __future__ import annotations

import html
import re
from typing import Any

import msgspec

from pipelines.errors import (
    AuthenticationError,
    ConflictError,
    MessageTooLarge,
    NotFound,
    Overloaded,
    PermissionDenied,
    StageTimeout,
    ValidationError,
    VoicecoreError,
)
from voicecore.api.kit import Auth, Crashed, RateLimited, Route, Surface

REFERENCE = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)(?::[^{}]*)?\}")


def document(surface: Surface, server_url: str) -> dict[str, Any]:
    """`server_url` is what the paths follow."""
    kinds = [kind for route in surface.routes for kind in (route.body, route.response) if kind is not None]
    schemas, components = msgspec.json.schema_components([*kinds, surface.error_shape], ref_template=REFERENCE)
    shapes = dict(zip([*kinds, surface.error_shape], schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in surface.routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, surface, shapes)
    return {
        "openapi": "3.1.0",
        "info": {"title": surface.title, "version": surface.version, "description": surface.description},
        "servers": [{"url": server_url}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(route: Route, surface: Surface, shapes: dict[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {route.media_type: {"schema": shapes[route.response]} if route.response else {}}
    refusal = {"application/json": {"schema": shapes[surface.error_shape]}}
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {
            str(route.status): {"description": "Success", "content": content},
            **{
                str(code): {"description": text, "content": refusal} for code, text in _refusals(route, surface).items()
            },
        },
    }
    if route.deprecated is not None:
        operation["deprecated"] = True
    if route.body is not None:
        operation["requestBody"] = {
            "required": any(field.required for field in msgspec.structs.fields(route.body)),
            "content": {"application/json": {"schema": shapes[route.body]}},
        }
    if route.form is not None:
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": _form(route.form)}}}
    if route.auth not in (Auth.NONE, Auth.SIGNATURE):
        operation["security"] = [{"bearer": []}]
        if route.auth in (Auth.ACCESS_OR_SIGNATURE, Auth.OPTIONAL):
            operation["security"].append({})
    return operation


def _refusals(route: Route, surface: Surface) -> dict[int, str]:
    """By the status that the surface renders each error with."""
    body = route.body is not None or route.form is not None
    opened = route.permission is not None and route.auth in (Auth.ACCESS, Auth.OPTIONAL)
    possible: list[tuple[bool, VoicecoreError, str]] = [
        (body or route.query is not None, ValidationError(""), "Invalid input"),
        (route.method != "GET", ConflictError(""), "Conflict"),
        (route.auth is not Auth.NONE or route.path.endswith("/login"), AuthenticationError(""), "Not authenticated"),
        (opened, PermissionDenied(""), "Not permitted"),
        (body or "{" in route.path or route.query is not None, NotFound(""), "Not found"),
        (body, MessageTooLarge(""), "Too large"),
        (True, RateLimited(1), "Too many requests"),
        (True, Crashed(""), "Internal error"),
        (True, Overloaded(""), "Not available now"),
        (body, StageTimeout("", stage="", provider=""), "An engine took too long"),
    ]
    found: dict[int, str] = {}
    for may_be, error, text in possible:
        if may_be:
            found.setdefault(surface.render_error(error, "").status, text)
    if route.media_type.startswith("audio/"):
        found |= {206: "Part of the file", 416: "No such range"}
    return dict(sorted(found.items()))


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = [match[1] for match in _PARAMETER.finditer(route.path)]
    return [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]


def _form(form: type[msgspec.Struct]) -> dict[str, Any]:
    """Bytes are a file's contents."""
    shape: dict[str, Any] = msgspec.json.schema(form)["$defs"][form.__name__]
    for field in msgspec.structs.fields(form):
        if field.type is bytes:
            shape["properties"][field.encode_name] = {
                "type": "string",
                "contentMediaType": "application/octet-stream",
            }
    return shape


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    shape = msgspec.json.schema(route.query)["$defs"][route.query.__name__]
    required = shape.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in shape["properties"].items()
    ]


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b2430}}
details{{border:1px solid #d4dae2;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}}
summary{{cursor:pointer}} b{{display:inline-block;min-width:4.5rem}} pre{{overflow:auto;background:#f3f5f8;
padding:.6rem;border-radius:4px;font-size:13px}} code{{font-size:.95em}} h2{{margin-top:2rem}}
</style><h1>{title} <small>{version}</small></h1><p>{description}</p>
<p>Machine-readable: <a href="{spec}">{spec}</a></p>{operations}"""


def page(surface: Surface, spec_url: str) -> str:
    """A browsable page: operations by tag, each with parameters and schemas."""
    spec = document(surface, "")
    by_tag: dict[str, list[str]] = {}
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            shown = msgspec.json.format(msgspec.json.encode(operation), indent=2).decode()
            by_tag.setdefault(operation["tags"][0], []).append(
                f"<details><summary><b>{method.upper()}</b> <code>{html.escape(path)}</code> "
                f"{html.escape(operation['summary'])}</summary><pre>{html.escape(shown)}</pre></details>"
            )
    operations = "".join(f"<h2>{html.escape(tag)}</h2>{''.join(items)}" for tag, items in by_tag.items())
    schemas = msgspec.json.format(msgspec.json.encode(spec["components"]["schemas"]), indent=2).decode()
    operations += f"<h2>Schemas</h2><details><summary>All</summary><pre>{html.escape(schemas)}</pre></details>"
    texts = {"title": surface.title, "version": surface.version, "description": surface.description}
    escaped = {name: html.escape(text) for name, text in texts.items()}
    return PAGE.format(**escaped, spec=html.escape(spec_url), operations=operations)
