"""Loop policies: how an execution environment runs its coroutines. The only caller of asyncio's runners.

One `resources()` context manager makes the loop-bound objects (connections, HTTP clients, semaphores). A policy enters
it once per event loop: in every `asyncio.run`, or once in a persistent loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import copy_context
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from ticketctl.errors import ConfigError

Resources = TypeVar("Resources")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopPolicy:
    """How the records of an invocation are spread over event loops. Policies are data; `Loop` implements all of them."""

    name: str
    purpose: str
    right_when: str
    persistent: bool = False
    per_record: bool = False


_ALL = (
    LoopPolicy(
        name="run-per-record",
        purpose="one asyncio.run per record, one record after the other",
        right_when="never: with a pool that outlives the loop it fails in the first invocation",
        per_record=True,
    ),
    LoopPolicy(
        name="run-per-invocation",
        purpose="one asyncio.run per invocation; its records run concurrently",
        right_when="always, with a pool that keeps no connection",
    ),
    LoopPolicy(
        name="runner",
        purpose="one event loop for the life of the execution environment",
        right_when="when connections should be reused; use it with queue-pre-ping",
        persistent=True,
    ),
)

LOOPS: Mapping[str, LoopPolicy] = MappingProxyType({policy.name: policy for policy in _ALL})


def get_loop_policy(name: str) -> LoopPolicy:
    """Return the policy with this name. Raise ConfigError with the choices."""
    if name not in LOOPS:
        raise ConfigError(f"there is no loop {name}", hint=f"TICKETCTL_LOOP can be {', '.join(LOOPS)}")
    return LOOPS[name]


class Loop(Generic[Resources]):
    """Runs work under a policy. It enters `resources` once per event loop and passes them to the work."""

    def __init__(
        self, policy: LoopPolicy, resources: Callable[[], AbstractAsyncContextManager[Resources]]
    ) -> None:
        self._resources = resources
        self._stack = AsyncExitStack()
        self._runner = asyncio.Runner() if policy.persistent else None
        self._opened: Resources | None = None

    def run(self, work: Callable[[Resources], Awaitable[Result]]) -> Result:
        """Run the work and return its result, or raise its exception."""
        if self._runner is None:
            return asyncio.run(self._run_with_new_resources(work))
        # without a context of its own, each run would see the variables of the first invocation
        return self._runner.run(self._run_with_kept_resources(work), context=copy_context())

    def close(self) -> None:
        """Close the resources of a persistent loop and the loop itself."""
        if self._runner is not None:
            self._runner.run(self._stack.aclose())
            self._runner.close()

    async def _run_with_new_resources(self, work: Callable[[Resources], Awaitable[Result]]) -> Result:
        async with self._resources() as opened:
            return await work(opened)

    async def _run_with_kept_resources(self, work: Callable[[Resources], Awaitable[Result]]) -> Result:
        if self._opened is None:
            self._opened = await self._stack.enter_async_context(self._resources())
        return await work(self._opened)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run one coroutine in a new event loop, as a command does."""
    return asyncio.run(work)
