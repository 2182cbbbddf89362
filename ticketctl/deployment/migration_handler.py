"""The migration Lambda, `ticketctl.deployment.migration_handler.handler`: each deployment upgrades the tables with it.

It is a CloudFormation custom resource: the request names a URL, and the stack waits, by default for an hour, until a
response is put there. Therefore every outcome is sent as a response. Only a response that cannot be sent raises; Lambda then
calls the function again, twice.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

import asyncio
import json
import logging
import os
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ticketctl import event_loops, runtime
from ticketctl import settings as settings_module
from ticketctl.errors import StaleSchemaError, TicketctlError
from ticketctl.telemetry.logs import REQUEST_ID, log_on_lambda

log = logging.getLogger(__name__)

RESOURCE = "ticketctl-tables"
"""The physical resource id. It never changes, so that CloudFormation never replaces the resource."""
GRACE_PERIOD = 15.0
"""Seconds at the end of the invocation that are kept free for the response."""
_RESPONSE_TIMEOUT = 10.0
_LONGEST_REASON = 500
"""Characters; CloudFormation limits the whole response to 4,096 bytes."""
_REPEATED = ("StackId", "RequestId", "LogicalResourceId")


def handler(event: Mapping[str, Any], context: Any) -> None:
    """Migrate on Create and Update, change nothing on Delete, and send the response to CloudFormation.

    Raises:
        OSError: The response cannot be sent.
    """
    REQUEST_ID.set(getattr(context, "aws_request_id", None))
    log_on_lambda(os.environ)
    response = {name: event[name] for name in _REPEATED}
    response["PhysicalResourceId"] = event.get("PhysicalResourceId", RESOURCE)
    seconds = context.get_remaining_time_in_millis() / 1000 - GRACE_PERIOD
    _send(event["ResponseURL"], response | _run(event["RequestType"], seconds))


def _run(request: str, seconds: float) -> dict[str, Any]:
    if request == "Delete":  # the tickets stay when the stack is deleted
        return {"Status": "SUCCESS"}
    try:
        return {"Status": "SUCCESS", "Data": {"Revision": _migrate(seconds)}}
    except StaleSchemaError as error:
        if request == "Update":
            # the stack is rolling back to older code; a failure here would leave the rollback stuck
            log.warning("nothing was migrated: %s", error)
            return {"Status": "SUCCESS"}
        return _failed(error)
    except Exception as error:
        log.exception("the tables were not migrated")
        return _failed(error)


def _migrate(seconds: float) -> str | None:
    settings = settings_module.load(os.environ, folder=Path.cwd())

    async def upgrade() -> str | None:
        try:
            async with asyncio.timeout(seconds):
                return await runtime.upgrade(runtime.Database(settings, embedded=False))
        except TimeoutError:
            raise TimeoutError(f"the tables were not migrated within {seconds:g} s") from None

    return event_loops.run(upgrade())


def _failed(error: Exception) -> dict[str, str]:
    known = isinstance(error, TicketctlError | TimeoutError)
    reason = str(error) if known else f"{type(error).__name__}, see the function's log"
    return {"Status": "FAILED", "Reason": reason[:_LONGEST_REASON]}


def _send(url: str, response: Mapping[str, Any]) -> None:
    request = urllib.request.Request(  # noqa: S310 - CloudFormation names the URL
        url,
        data=json.dumps(response).encode(),
        method="PUT",
        headers={"Content-Type": ""},  # the URL is signed for an empty content type
    )
    with urllib.request.urlopen(request, timeout=_RESPONSE_TIMEOUT):  # noqa: S310 - as above
        log.info("sent %s to CloudFormation", response["Status"])
