"""Does memory grow from call to call? A few more calls show whether it may, and many more whether it does."""

import asyncio
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from ticketctl.warmstart.child.ipc import ContainerInfo, MemoryUsage, Message
from ticketctl.warmstart.report import source_locator
from ticketctl.warmstart.runner.cpu_timeout import CpuTimeout

CHECK_CALLS = 3
"""Calls after which memory that has grown is suspicious, if it grows again in twice as many."""
MOST_CHECK_CALLS = 10
PROBE_CALLS = 20
"""Calls after which growth counts as steady."""
MOST_SECONDS = 30.0
"""How long a probe may take, not counting the time in which the process waits for a CPU; fewer calls are made of a slow
handler."""
PAUSE = 2.0
"""Seconds before the end of a probe, in which what runs for a while comes to its end."""
MOST_MEMORY = 1024 * 1024 * 1024
"""Resident bytes at which a probe ends: more than Lambda gives to most functions."""
SUSPICIOUS_RSS = 512 * 1024
SUSPICIOUS_BLOCKS = 1
"""Growth from which a handler is probed. Blocks are Python's own count of allocations, which is exact."""

Ask = Callable[[Message], Awaitable[Any]]
"""Sends a request to the environment; returns None where there is no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowingContainer:
    """A container without a bound that grew: the path of names to it, its definition's line, its lengths.

    entries: the line that makes what is put into it.
    The lengths are those at the start of the probe, and after every sixth call.
    """

    name: str
    type: str
    line: str | None
    lengths: list[int]
    entries: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """A line of the user's code, and how many bytes it allocated during the probe that are still in use."""

    line: str
    bytes: int


@dataclass(slots=True, kw_only=True)
class MemoryProbe:
    """Memory after each call of a probe, garbage collected: resident, traced by tracemalloc, in files below /tmp.

    tmp_line: the user's line that wrote most of these files.
    """

    rss: list[int] = field(default_factory=list)
    traced: list[int] = field(default_factory=list)
    tmp: list[int] = field(default_factory=list)
    containers: list[GrowingContainer] = field(default_factory=list)
    allocations: list[Allocation] = field(default_factory=list)
    tmp_line: str | None = None

    def add(self, usage: MemoryUsage) -> None:
        """Add one measurement to the series."""
        self.rss.append(usage["rss"])
        self.traced.append(usage["traced"])
        self.tmp.append(usage["tmp"])


async def probe_memory(
    ask: Ask, invoke: Callable[[], Awaitable[bool]], events: int, limit: CpuTimeout
) -> MemoryProbe | None:
    """Invoke the handler some more times, and measure; return None where memory does not grow, or a call fails.

    `invoke` calls the handler once and returns whether all went well; `events` take turns. `limit` bounds the probe.
    """
    before: MemoryUsage | None = await ask({"command": "measure_memory"})
    suspects: AbstractSet[str] = {"blocks", "rss", "tmp"}
    calls = min(MOST_CHECK_CALLS, max(CHECK_CALLS, events))
    for window in (calls, 2 * calls):  # caches that fill during the first calls do not grow twice
        for _ in range(window):
            if not await invoke() or limit.remaining() <= 0:
                return None
        after: MemoryUsage | None = await ask({"command": "measure_memory"})
        if before is None or after is None:
            return None
        suspects &= _find_growing(before, after)
        if not suspects:
            return None
        before = after
    return await _probe(ask, invoke, limit)


def _find_growing(before: MemoryUsage, after: MemoryUsage) -> set[str]:
    """Return which of the measures have grown enough to be suspicious."""
    growing = {
        "blocks": after["blocks"] - before["blocks"] >= SUSPICIOUS_BLOCKS,
        "rss": after["rss"] - before["rss"] > SUSPICIOUS_RSS,
        "tmp": after["tmp"] > before["tmp"],
    }
    return {name for name, is_growing in growing.items() if is_growing}


async def _probe(ask: Ask, invoke: Callable[[], Awaitable[bool]], limit: CpuTimeout) -> MemoryProbe | None:
    probe = MemoryProbe()
    first = await ask({"command": "start_memory"})
    if first is None:
        return None
    while len(probe.rss) < PROBE_CALLS and limit.remaining() > 0:
        if not await invoke():
            return None
        usage: MemoryUsage | None = await ask({"command": "measure_memory"})
        if usage is None:
            return None
        probe.add(usage)
        if usage["rss"] > MOST_MEMORY:
            break
    is_transient = False
    if len(probe.traced) > 1 and probe.traced[-1] > probe.traced[1]:
        # tasks and threads that still run end meanwhile, and what keeps them shrinks with the next call
        await asyncio.sleep(PAUSE)
        for _ in range(2):  # the first lets tasks end, the second runs the callbacks that forget them
            if not await invoke():
                return None
        later: MemoryUsage | None = await ask({"command": "measure_memory"})
        is_transient = later is not None and later["traced"] < (probe.traced[1] + probe.traced[-1]) / 2
    grown = await ask({"command": "finish_memory"})
    if grown is None or (is_transient and probe.tmp[-1] == probe.tmp[0]):
        return None
    probe.containers = [_container(info) for info in grown["containers"]]
    probe.tmp_line = grown["tmp_line"]
    probe.allocations = [Allocation(line=one["line"], bytes=one["bytes"]) for one in grown["allocations"]]
    return probe


def _container(info: ContainerInfo) -> GrowingContainer:
    line = entries = None
    if definition := info["definition"]:
        place = definition["file"], tuple(definition["names"])
        number, inserted = source_locator.find_assignment(*place), source_locator.find_insertion(*place)
        line = f"{definition['shown']}:{number}" if number else None
        entries = f"{definition['shown']}:{inserted}" if inserted else None
    return GrowingContainer(
        name=info["name"], type=info["type"], line=line, lengths=info["lengths"], entries=entries
    )
