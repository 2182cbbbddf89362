"""The API as an ASGI application."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

import ticketctl
from ticketctl.api import problems
from ticketctl.api.auth import Access
from ticketctl.api.middleware import Gate
from ticketctl.api.rate_limit import RateLimit
from ticketctl.api.routes import router
from ticketctl.runtime import OperatorResources
from ticketctl.settings import Settings
from ticketctl.tickets.pricing import parse_prices

OPEN_PATHS = frozenset({"/healthz", "/openapi.json", "/docs"})
"""What anybody may see: that the process is there, and how it is spoken to."""
_ANYWHERE = problems.documented(401, 403, 413, 429, 500, 503)
"""What every operation may answer."""


def create_app(
    settings: Settings,
    resources: Callable[[], AbstractAsyncContextManager[OperatorResources]],
    *,
    local: bool = False,
) -> Gate:
    """The application; `resources` is entered for each request, on the event loop that serves it.

    `local`: where there are no tokens, only who is on this machine is served.
    """
    app = FastAPI(
        title="ticketctl",
        version=ticketctl.__version__,
        summary="Tickets, and what an AI pipeline makes of them.",
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        responses=_ANYWHERE,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.resources = resources
    app.state.prices = parse_prices(settings)
    app.include_router(router)
    problems.handle(app)
    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, _of_method)
    generated = app.openapi
    app.openapi = lambda: _completed(generated())  # type: ignore[method-assign] # as FastAPI documents it
    return Gate(
        app,
        access=Access(settings.api_tokens, local=local),
        rate=RateLimit(settings.api_rate),
        body_limit=settings.api_body_limit,
        open_paths=OPEN_PATHS,
    )


async def _of_method(request: Request, _: Exception) -> Response:
    """Name every method of the path: Starlette would name those of the first route that has it."""
    routes = (route for route in router.routes if isinstance(route, APIRoute))
    known = {
        method
        for route in routes
        if route.path_regex.match(request.url.path)
        for method in route.methods or ()
    }
    allowed = {"Allow": ", ".join(sorted(known or {"GET"}))}
    return problems.problem(HTTPStatus.METHOD_NOT_ALLOWED, None).response(allowed)


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's document, with what the gate does and how problems look."""
    parts = document["components"]
    if "Problem" in parts["schemas"]:
        return document
    schema = TypeAdapter(problems.Problem).json_schema(ref_template="#/components/schemas/{model}")
    parts["schemas"] |= {**schema.pop("$defs"), "Problem": schema}
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(operation, open_to_all=path in OPEN_PATHS)
    return document


def _complete(operation: dict[str, Any], *, open_to_all: bool) -> None:
    if open_to_all:
        for status in _ANYWHERE:
            del operation["responses"][str(status)]
    else:
        operation["security"] = [{"token": []}]
    for parameter in operation.get("parameters", ()):
        # what is left out is None here, but no query and no header can say null
        for kind in parameter["schema"].pop("anyOf", ()):
            parameter["schema"] |= {} if kind == {"type": "null"} else kind
