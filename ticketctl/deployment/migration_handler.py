"""The migration Lambda, `ticketctl.deployment.migration_handler.handler`: a deployment brings the tables up to date through it.

It is a CloudFormation custom resource: the request names an address, and until an answer is put there the stack waits,
for an hour unless it is told otherwise. So whatever happens here is answered; the one thing that is raised is that the
answer could not be put, and Lambda then calls again, twice.
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
from ticketctl.logs import REQUEST_ID, log_on_lambda

log = logging.getLogger(__name__)

RESOURCE = "ticketctl-tables"
"""The resource's own name: always the same, so that CloudFormation never replaces it."""
RESERVE = 15.0
"""Seconds of the invocation that are kept free for the answer."""
_ANSWER_TIMEOUT = 10.0
_LONGEST_REASON = 500
"""Characters: a whole answer may have 4,096 bytes."""
_REPEATED = ("StackId", "RequestId", "LogicalResourceId")


def handler(event: Mapping[str, Any], context: Any) -> None:
    """Lambda's entry point: migrate for Create and Update, leave everything for Delete, and answer.

    Raises:
        OSError: The answer could not be put.
    """
    REQUEST_ID.set(getattr(context, "aws_request_id", None))
    log_on_lambda(os.environ)
    told = {name: event[name] for name in _REPEATED}
    told["PhysicalResourceId"] = event.get("PhysicalResourceId", RESOURCE)
    seconds = context.get_remaining_time_in_millis() / 1000 - RESERVE
    _put(event["ResponseURL"], told | _outcome(event["RequestType"], seconds))


def _outcome(request: str, seconds: float) -> dict[str, Any]:
    if request == "Delete":  # tickets outlive the stack
        return {"Status": "SUCCESS"}
    try:
        return {"Status": "SUCCESS", "Data": {"Revision": _migrate(seconds)}}
    except StaleSchemaError as error:
        if request == "Update":
            # a deployment that is being rolled back: to fail here would leave the stack stuck half-way
            log.warning("nothing was migrated: %s", error)
            return {"Status": "SUCCESS"}
        return _failed(error)
    except Exception as error:
        log.exception("the tables were not migrated")
        return _failed(error)


def _migrate(seconds: float) -> str | None:
    settings = settings_module.load(os.environ, folder=Path.cwd())

    async def migrated() -> str | None:
        try:
            async with asyncio.timeout(seconds):
                return await runtime.upgrade(runtime.Database(settings, embedded=False))
        except TimeoutError:
            raise TimeoutError(f"the tables were not migrated within {seconds:g} s") from None

    return event_loops.run(migrated())


def _failed(error: Exception) -> dict[str, str]:
    known = isinstance(error, TicketctlError | TimeoutError)
    reason = str(error) if known else f"{type(error).__name__}, told in the function's log"
    return {"Status": "FAILED", "Reason": reason[:_LONGEST_REASON]}


def _put(address: str, answer: Mapping[str, Any]) -> None:
    request = urllib.request.Request(  # noqa: S310 - CloudFormation names the address
        address,
        data=json.dumps(answer).encode(),
        method="PUT",
        headers={"Content-Type": ""},  # the address was signed for none
    )
    with urllib.request.urlopen(request, timeout=_ANSWER_TIMEOUT):  # noqa: S310 - as above
        log.info("answered %s", answer["Status"])
