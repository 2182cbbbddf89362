"""The API Lambda: `ticketctl.api.handler`.

Mangum runs the application on the event loop that it keeps for the life of the process. Nothing here runs a loop of
its own: any `asyncio.run()` in the same process takes that loop away for good.
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
from ticketctl.logs import REQUEST_ID, log_on_lambda
from ticketctl.runtime import api_resources

_application: Mangum | None = None


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Lambda's entry point: answer one request of an HTTP API.

    Raises:
        ConfigError: The environment's settings are wrong, or nobody asks for tokens.
    """
    global _application  # noqa: PLW0603 - the one thing that a warm start keeps
    REQUEST_ID.set(getattr(context, "aws_request_id", None))
    if _application is None:
        log_on_lambda(os.environ)
        _application = _made()
    return http_api_events.refusal(event) or _application(event, context)


def _made() -> Mangum:
    settings = settings_module.load(os.environ, folder=Path.cwd())
    require_for_lambda(settings)
    # entered for each request, so that no pool but one that is meant to keeps a connection while the process is frozen
    app = create_app(settings, api_resources(settings, one_loop=False))
    return Mangum(app, lifespan="off", text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, MEDIA_TYPE])
