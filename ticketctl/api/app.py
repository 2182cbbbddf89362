"""The API as an ASGI application."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.routing import Route

import ticketctl
from ticketctl.api import docs_page, operation_routes, problems, review_routes, teamwork_routes
from ticketctl.api.auth import TokenAuth
from ticketctl.api.middleware import AdmissionMiddleware
from ticketctl.api.openapi_examples import add_example
from ticketctl.api.rate_limit import RateLimit
from ticketctl.api.routes import router
from ticketctl.settings import Settings
from ticketctl.tickets.operator_resources import OperatorResources
from ticketctl.tickets.pricing import parse_prices

ROUTERS = (router, review_routes.router, teamwork_routes.router, operation_routes.router)
HEALTH_PATH = "/healthz"
OPEN_PATHS = frozenset({HEALTH_PATH, "/openapi.json", "/docs"})
"""Paths that need no token: whether the process answers, and the documentation of the API."""
_EVERYWHERE = problems.document_responses(400, 401, 403, 408, 413, 429, 500, 503)
"""The responses that every operation may give."""


def create_app(
    settings: Settings,
    resources: Callable[[], AbstractAsyncContextManager[OperatorResources]],
    *,
    own_token: str | None = None,
    is_local: bool = False,
    routes: Sequence[Route] = (),
) -> AdmissionMiddleware:
    """Return the application. It enters `resources` for each request, on the event loop that serves the request.

    `own_token` is a token that works beside those of the settings. If `is_local`, an API without tokens serves only
    requests from this machine. `routes` are added without documentation; they need a token.
    """
    app = FastAPI(
        title="ticketctl",
        version=ticketctl.__version__,
        servers=[{"url": "/"}],
        openapi_tags=[
            {"name": "tickets", "description": "Create, list, show and change tickets."},
            {"name": "health", "description": "Whether the process and its database answer."},
        ],
        description="Errors are problem documents (RFC 9457). The JSON of a ticket is that of the command line.",
        summary="Support tickets, and the results of an AI pipeline.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=_EVERYWHERE,
        # the program has its own (api/request_spans.py); FastAPI's would send the texts of exceptions
        telemetry={"tracing": False, "metrics": False, "logs": False},
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.resources = resources
    app.state.prices = parse_prices(settings)
    for one in ROUTERS:
        app.include_router(one)
    app.router.routes.extend(routes)
    problems.register_handlers(app)
    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, _handle_wrong_method)
    generated = app.openapi
    auth = TokenAuth(settings.api_tokens, own_token=own_token, is_local=is_local)
    app.openapi = lambda: _complete_document(generated(), has_tokens=auth.has_tokens)  # type: ignore[method-assign] # as FastAPI documents it
    _add_documents(app)
    return AdmissionMiddleware(
        app,
        auth=auth,
        rate=RateLimit(settings.api_rate),
        body_limit=settings.api_body_limit,
        body_seconds=settings.api_read_timeout,
        open_paths=OPEN_PATHS,
        unlimited_paths={HEALTH_PATH},
    )


def _add_documents(app: FastAPI) -> None:
    """Add /openapi.json and /docs. Each is rendered once: FastAPI would encode the whole document per request."""

    @cache
    def render_json() -> bytes:
        return json.dumps(app.openapi(), ensure_ascii=False, separators=(",", ":")).encode()

    @cache
    def render_page() -> bytes:
        return docs_page.render(app.openapi()).encode()

    async def show_json(_: Request) -> Response:
        return Response(render_json(), media_type="application/json")

    async def show_page(_: Request) -> Response:
        return Response(render_page(), headers=docs_page.HEADERS, media_type="text/html")

    app.add_route("/openapi.json", show_json, include_in_schema=False)
    app.add_route("/docs", show_page, include_in_schema=False)


async def _handle_wrong_method(request: Request, _: Exception) -> Response:
    """Answer with every method of the path; Starlette would name only those of the first matching route."""
    routes = (route for one in ROUTERS for route in one.routes if isinstance(route, APIRoute))
    known = {
        method
        for route in routes
        if route.path_regex.match(request.url.path)
        for method in route.methods or ()
    }
    allowed = {"Allow": ", ".join(sorted(known or {"GET"}))}
    return problems.problem_for(HTTPStatus.METHOD_NOT_ALLOWED, None).to_response(allowed)


def _complete_document(document: dict[str, Any], *, has_tokens: bool) -> dict[str, Any]:
    """Return FastAPI's document with the responses and the security of the middleware added."""
    parts = document["components"]
    if "Problem" in parts["schemas"]:
        return document
    schema = TypeAdapter(problems.Problem).json_schema(ref_template="#/components/schemas/{model}")
    parts["schemas"] |= {**schema.pop("$defs"), "Problem": schema}
    if has_tokens:
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete_operation(operation, is_public=path in OPEN_PATHS, has_tokens=has_tokens)
    return document


def _complete_operation(operation: dict[str, Any], *, is_public: bool, has_tokens: bool) -> None:
    if is_public:
        for status in _EVERYWHERE:
            del operation["responses"][str(status)]
    elif has_tokens:
        operation["security"] = [{"token": []}]
    for response in operation["responses"].values():
        add_example(response)
    for parameter in operation.get("parameters", ()):
        # An omitted parameter is None in Python, but neither a query nor a header can say null.
        for kind in parameter["schema"].pop("anyOf", ()):
            parameter["schema"] |= {} if kind == {"type": "null"} else kind
