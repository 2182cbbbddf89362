"""Error texts whose origin is known: nearly all come from a dead event loop."""

import re
from dataclasses import dataclass

PER_LOOP = (
    "Make it inside the coroutine that asyncio.run() runs and close it there in a finally (for an SQLAlchemy engine: "
    "poolclass=NullPool, or await engine.dispose() before the loop ends); or keep one loop for the life of the "
    "process, an asyncio.Runner that every invocation uses."
)
PRIMITIVE = (
    "Make it inside the coroutine that asyncio.run() runs, and pass it on; or keep one loop for the life of the process, "
    "an asyncio.Runner that every invocation uses."
)


@dataclass(frozen=True, slots=True)
class Symptom:
    """An error text that is known, why it comes, and what mends it; no cure: PER_LOOP."""

    kind: str
    pattern: re.Pattern[str]
    cause: str
    fix: str | None = None


SYMPTOMS = (
    Symptom(
        "different-loop",
        re.compile("is bound to a different event loop"),
        "it bound itself to an earlier loop (L1) when somebody first had to wait for it, and was waited for on a later "
        "one (L2)",
        PRIMITIVE,
    ),
    Symptom(
        "different-loop",
        re.compile("(?<!bound to a )different (event )?loop"),
        "something that was bound to an earlier loop (L1) was used on a later one (L2)",
    ),
    Symptom(
        "busy-connection",
        re.compile("another operation is in progress"),
        "a connection was handed out although its last operation never ended: L1, on which the answer would have "
        "been read, is closed",
    ),
    Symptom(
        "closed-loop",
        re.compile("Event loop is closed|the handler is closed"),
        "something that was opened on an earlier loop (L1) was used, or closed, after L1 had been closed",
    ),
    Symptom(
        "closed-runner",
        re.compile("Runner is closed"),
        "the Runner was closed with the invocation that first used it, as `with runner:` does at its end",
        "Call runner.run() without `with` on a Runner that is kept; or make one for each invocation.",
    ),
    Symptom(
        "no-current-loop",
        re.compile("no current event loop"),
        "the handler runs on its thread's current event loop (L1), as Mangum does, and something else in the process "
        "took that away: asyncio.run() and asyncio.Runner make a loop of their own current, close it, and leave none",
        "Leave the current loop alone in a process whose handler keeps it: call asyncio.run() and asyncio.Runner "
        "neither in it nor beside it. Await the work inside the application that Mangum serves, or give it a function "
        "of its own.",
    ),
    Symptom(
        "other-backend",
        re.compile('prepared statement (".*?" )?(already exists|does not exist)'),
        "a pooler in transaction mode (PgBouncer, RDS Proxy) gives each transaction a backend of its choice, with the "
        "statements that others prepared there, and without those that were prepared elsewhere",
        'Prepare none: poolclass=NullPool and connect_args={"statement_cache_size": 0}. Unique names for them do not '
        "mend it: outside a transaction a statement is prepared on one backend and executed on another.",
    ),
)
OF_CONNECTIONS = tuple(one for one in SYMPTOMS if one.fix is None)
"""Those that come from a connection, or something else that is open, on a dead loop."""
