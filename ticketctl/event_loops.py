"""Loop policies: how an execution environment runs its coroutines. The only caller of asyncio's runners.

Whatever is bound to an event loop (connections, clients, semaphores) is made by one `resources()` context
manager that a policy enters once per loop: in every `asyncio.run`, or once in the loop that lives on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from ticketctl.errors import ConfigError

Held = TypeVar("Held")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopPolicy:
    """How the records of an invocation meet event loops: as data, so that one loop driver serves all."""

    name: str
    purpose: str
    right_when: str
    persistent: bool = False
    per_record: bool = False


_ALL = (
    LoopPolicy(
        name="run-per-record",
        purpose="one asyncio.run per record, one after the other",
        right_when="never: with a pool that outlives its loop it fails in the first invocation",
        per_record=True,
    ),
    LoopPolicy(
        name="run-per-invocation",
        purpose="one asyncio.run per invocation, its records run concurrently",
        right_when="always, with a pool that leaves no connection behind",
    ),
    LoopPolicy(
        name="runner",
        purpose="one event loop for the life of the execution environment",
        right_when="connections are to be reused; choose queue-pre-ping with it",
        persistent=True,
    ),
)

LOOPS: Mapping[str, LoopPolicy] = MappingProxyType({policy.name: policy for policy in _ALL})


def get_loop_policy(name: str) -> LoopPolicy:
    """The policy that a setting names. Raises ConfigError with the choices."""
    if name not in LOOPS:
        raise ConfigError(f"there is no loop {name}", hint=f"TICKETCTL_LOOP can be {', '.join(LOOPS)}")
    return LOOPS[name]


class Loop(Generic[Held]):
    """Runs work under a policy; `resources` is entered once per event loop and handed to the work."""

    def __init__(
        self, policy: LoopPolicy, resources: Callable[[], AbstractAsyncContextManager[Held]]
    ) -> None:
        self._resources = resources
        self._stack = AsyncExitStack()
        self._runner = asyncio.Runner() if policy.persistent else None
        self._held: Held | None = None

    def run(self, work: Callable[[Held], Awaitable[Result]]) -> Result:
        """Run one piece of work to its end and answer what it returns; what it raises comes out."""
        if self._runner is None:
            return asyncio.run(self._once(work))
        return self._runner.run(self._kept(work))

    def close(self) -> None:
        """Close what a persistent loop holds, and the loop."""
        if self._runner is not None:
            self._runner.run(self._stack.aclose())
            self._runner.close()

    async def _once(self, work: Callable[[Held], Awaitable[Result]]) -> Result:
        async with self._resources() as held:
            return await work(held)

    async def _kept(self, work: Callable[[Held], Awaitable[Result]]) -> Result:
        if self._held is None:
            self._held = await self._stack.enter_async_context(self._resources())
        return await work(self._held)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run one coroutine in a loop of its own: for a command, which has no other loop."""
    return asyncio.run(work)
