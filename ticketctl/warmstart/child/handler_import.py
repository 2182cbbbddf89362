"""The handler by its name, and its response as JSON."""

import importlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from . import lambda_context


class NotSerializableError(Exception):
    """The handler returned what JSON cannot represent; Lambda calls this Runtime.MarshalError."""


def split(handler: str) -> tuple[str, str]:
    """Return module and attribute of `module:function` or, as Lambda has it, `folder/module.function`."""
    module, colon, function = handler.partition(":")
    if not colon:
        module, _, function = handler.rpartition(".")
    return module.replace("/", "."), function


def resolve(name: str) -> Callable[..., Any]:
    """Import the module, and return the function or other callable object."""
    module, function = split(name)
    found: Any = importlib.import_module(module)
    for attribute in function.split("."):
        found = getattr(found, attribute)
    if not callable(found):
        raise TypeError(f"{name} is not callable")
    return found  # type: ignore[no-any-return]


def call_without_event(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """Return a handler that calls a function without arguments, and discards what it returns.

    A coroutine function runs on an event loop of its own, as web frameworks run their asynchronous views. Management
    commands end with sys.exit(0) when all went well.
    """

    def handler(_event: Any, _context: Any) -> None:
        try:
            result = function()
            if hasattr(result, "cr_frame"):
                import asyncio  # only where it is needed: the handler may not use it

                asyncio.run(result)
        except SystemExit as ended:
            if ended.code:
                raise

    return handler


def to_json(response: Any) -> Any:
    """Return the response as the caller of the function would get it. Raises NotSerializableError."""
    if hasattr(response, "cr_frame"):
        response.close()
        raise NotSerializableError(
            "the handler is a coroutine function: Lambda calls it, gets a coroutine and awaits nothing"
        )
    try:
        text = json.dumps(response, default=_decimal_to_json, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as problem:
        raise NotSerializableError(f"the response cannot be sent as JSON: {problem}") from None
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > lambda_context.RESPONSE_BYTES:
        raise NotSerializableError(lambda_context.RESPONSE_TOO_LARGE.format(size=size))
    return json.loads(text)


def _decimal_to_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
