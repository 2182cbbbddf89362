"""Handlers for execution environments, each with one behaviour."""
# ruff: noqa: ARG001 - a handler takes what Lambda passes

import os
import time
from typing import Any

_calls = 0


def _ids(event: dict[str, Any]) -> list[str]:
    return [record["messageId"] for record in event["Records"]]


def works(event: dict[str, Any], context: Any) -> dict[str, Any]:
    global _calls  # noqa: PLW0603 - counts the invocations of one process
    _calls += 1
    print("a handler may print", flush=True)  # noqa: T201 - output of the handler must not disturb the protocol
    with open(os.environ["SEEN"], "a", encoding="utf-8") as seen:  # noqa: PTH123
        seen.write(f"{os.getpid()} {_calls} {context.get_remaining_time_in_millis()} {len(_ids(event))}\n")
    return {"batchItemFailures": []}


def waits(event: dict[str, Any], context: Any) -> dict[str, Any]:
    time.sleep(1)
    return works(event, context)


def spent() -> float | None:
    """A meter: each call of `works` costs 0.25; the cost is unknown from the fourth call on."""
    return 0.25 * _calls if _calls < 4 else None


def fails_the_first(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": _ids(event)[0]}]}


def names_a_stranger(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": "stranger"}]}


def raises(event: dict[str, Any], context: Any) -> None:
    raise ValueError("no")


def dies(event: dict[str, Any], context: Any) -> None:
    os._exit(3)


def hangs(event: dict[str, Any], context: Any) -> None:
    time.sleep(3600)


def answers_no_json(event: dict[str, Any], context: Any) -> object:
    return {1, 2}
