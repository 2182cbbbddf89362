"""The API Lambda: `ticketctl.api.handler`.

Mangum runs the application on one event loop that it keeps for the life of the process. Nothing in this process may
call `asyncio.run()`: it would close that loop for good.
"""

import os
from pathlib import Path
from typing import Any

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from ticketctl import settings as settings_module
from ticketctl.api import http_api_events
from ticketctl.api.app import create_app
from ticketctl.api.auth import require_for_lambda
from ticketctl.api.problems import MEDIA_TYPE
from ticketctl.api.request_log import RequestLogMiddleware
from ticketctl.api.request_spans import RequestSpanMiddleware
from ticketctl.runtime import api_resources, make_telemetry
from ticketctl.telemetry.logs import REQUEST_ID, log_on_lambda
from ticketctl.telemetry.protocols import OFF, Telemetry, get_seconds_to_flush
from ticketctl.telemetry.shutdown import flush_at_sigterm

_application: Mangum | None = None
_telemetry: Telemetry = OFF


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one request of an HTTP API; Lambda's entry point.

    Raises:
        ConfigError: A setting is wrong, or neither the function nor the gateway checks tokens.
    """
    global _application, _telemetry  # noqa: PLW0603 - kept between warm starts on purpose
    REQUEST_ID.set(getattr(context, "aws_request_id", None))
    if _application is None:
        log_on_lambda(os.environ)
        _telemetry = make_telemetry()
        _application = _create_application(_telemetry)
        flush_at_sigterm(_telemetry)
    try:
        return http_api_events.reject_foreign(event) or _application(event, context)
    finally:
        _telemetry.flush(get_seconds_to_flush(context))


def _create_application(telemetry: Telemetry) -> Mangum:
    settings = settings_module.load(os.environ, folder=Path.cwd())
    require_for_lambda(settings)
    # The resources are opened for each request, so that only a pool that is meant to keeps a connection during a freeze.
    resources = api_resources(settings, one_loop=False, telemetry=telemetry)
    app = RequestLogMiddleware(create_app(settings, resources))
    traced = RequestSpanMiddleware(app, telemetry) if telemetry.is_on else app
    return Mangum(traced, lifespan="off", text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, MEDIA_TYPE])
