"""Findings about memory, containers and files below /tmp that grow with each invocation."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ticketctl.warmstart.report.model import Finding
from ticketctl.warmstart.runner.memory_probe import GrowingContainer, MemoryProbe

STEADY_CALLS = 20
"""Calls over which growth has to go on to count as a leak."""
WARM_UP = 2
"""Calls at the start of a probe that do not count: the first ones fill caches."""
NAMED_BYTES = 48
"""Bytes per invocation from which a container that grows is a leak: references to constants take eight."""
TRACED_BYTES = 16 * 1024
RESIDENT_BYTES = 64 * 1024
"""Bytes per invocation from which memory is a leak that no known container explains: caches inside libraries are less."""
LEAST_LENGTHS = 4
"""Lengths of a container that make a trend: at the start, and after 6, 12 and 18 calls."""
MOST_LINES = 3
"""Lines that a finding lists where it is not known which of them puts an entry into the container."""
KILOBYTE = 1024
MEGABYTE = 1024 * 1024
CONTAINER_FIX = (
    "Remove entries when they are no longer needed, or bound it: functools.lru_cache(maxsize=...), "
    "collections.deque(maxlen=...); what belongs to one invocation belongs in local variables."
)
MEMORY_FIX = (
    "Free what an invocation allocates before it returns, or keep one for all invocations. Lambda ends an environment "
    "that exceeds its memory, with Runtime.OutOfMemory."
)
TMP_FIX = (
    "Delete temporary files before the handler returns (tempfile.TemporaryDirectory() in a with statement): /tmp outlives "
    "the invocation, and is 512 MB by default."
)


def find_memory_leaks(probe: MemoryProbe | None) -> Iterator[Finding]:
    """Yield a finding for each container, memory and /tmp, if they grow steadily; none where there was no probe."""
    if probe is None or len(probe.rss) < STEADY_CALLS:
        return
    traced, resident = _gain_per_call(probe.traced), _gain_per_call(probe.rss)
    containers = [one for one in probe.containers if _is_steady(one.lengths)]
    if containers and traced >= NAMED_BYTES:
        yield _describe_containers(containers, probe, traced)
    elif traced >= TRACED_BYTES and _is_rising(probe.traced):
        yield _describe_memory("Memory of Python objects", probe, traced)
    elif resident >= RESIDENT_BYTES and _is_rising(probe.rss):
        yield _describe_memory("Resident memory", probe, resident)
    tmp = _gain_per_call(probe.tmp)
    if tmp > 0 and _is_rising(probe.tmp):
        yield Finding(
            kind="tmp",
            cause=f"Files below /tmp take {_format_bytes(tmp)} more after each invocation{_line(probe.tmp_line)}.",
            fix=TMP_FIX,
        )


def _describe_containers(containers: Sequence[GrowingContainer], probe: MemoryProbe, traced: int) -> Finding:
    # the shortest name is the variable that the user knows; others may be parts of libraries
    first, *others = sorted(containers, key=lambda one: (one.line is None, one.name.count(".")))
    per_call = f"{_format_bytes(traced)} per invocation"
    made = [first.entries] if first.entries else [one.line for one in probe.allocations[:MOST_LINES]]
    entries = f" Entries are made at {' or '.join(made)}." if made else ""
    more = f" So do {', '.join(one.name for one in others)}." if others else ""
    return Finding(
        kind="growing-container",
        cause=f"{first.name} ({first.type}{_line(first.line)}) grows with the invocations: its length was "
        f"{', '.join(map(str, first.lengths))}, with six invocations between two numbers. It keeps {per_call}.{entries}{more}",
        fix=CONTAINER_FIX,
    )


def _describe_memory(what: str, probe: MemoryProbe, gain: int) -> Finding:
    biggest = probe.allocations[0] if probe.allocations else None
    line = f" Most of it was allocated at {biggest.line}." if biggest else ""
    return Finding(
        kind="memory",
        cause=f"{what} grows by {_format_bytes(gain)} with each invocation.{line}",
        fix=MEMORY_FIX,
    )


def _gain_per_call(series: Sequence[int]) -> int:
    warm = series[WARM_UP:]
    return (warm[-1] - warm[0]) // (len(warm) - 1)


def _is_rising(series: Sequence[int]) -> bool:
    """Whether a series rises in each quarter: memory that was only taken once does not."""
    warm = series[WARM_UP:]
    quarter = len(warm) // 4
    return all(later > earlier for earlier, later in pairwise(warm[::quarter]))


def _is_steady(lengths: Sequence[int]) -> bool:
    return len(lengths) >= LEAST_LENGTHS and all(later > earlier for earlier, later in pairwise(lengths))


def _format_bytes(size: int) -> str:
    for unit, name in ((MEGABYTE, "MB"), (KILOBYTE, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def _line(line: str | None) -> str:
    return f", at {line}" if line else ""
