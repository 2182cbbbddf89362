"""Error texts with a known cause; nearly all of them come from a closed event loop."""

import re
from dataclasses import dataclass

LOOP_BOUND_FIX = (
    "Create it inside the coroutine that asyncio.run() runs and close it there in a finally block (SQLAlchemy engine: "
    "poolclass=NullPool, or await engine.dispose() before the loop ends); or keep one event loop for the life of the "
    "process: an asyncio.Runner that every invocation uses."
)
PRIMITIVE_FIX = (
    "Create it inside the coroutine that asyncio.run() runs and pass it on; or keep one event loop for the life of the "
    "process: an asyncio.Runner that every invocation uses."
)


@dataclass(frozen=True, slots=True)
class ErrorSignature:
    """A known error text, its cause and its fix; without a fix, LOOP_BOUND_FIX applies."""

    kind: str
    pattern: re.Pattern[str]
    cause: str
    fix: str | None = None


ERROR_SIGNATURES = (
    ErrorSignature(
        "different-loop",
        re.compile("is bound to a different event loop"),
        "a lock, queue or the like bound itself to an earlier event loop (L1) when a task first waited for it, and then "
        "a task on a later loop (L2) waited for it",
        PRIMITIVE_FIX,
    ),
    ErrorSignature(
        "different-loop",
        re.compile("(?<!bound to a )different (event )?loop"),
        "an object that is bound to an earlier event loop (L1) was used on a later one (L2)",
    ),
    ErrorSignature(
        "busy-connection",
        re.compile("another operation is in progress"),
        "the pool handed out a connection whose last operation never finished: the event loop (L1) that would have read "
        "the answer is closed",
    ),
    ErrorSignature(
        "coroutine-handler",
        re.compile("the handler is a coroutine function"),
        "the handler is declared with `async def`",
        "Make the handler a plain function that runs the coroutine: def handler(event, context): return "
        "asyncio.run(main(event)).",
    ),
    ErrorSignature(
        "closed-object",
        re.compile(
            r"pool is clos(ed|ing)|pool .* is (already )?closed|client has been closed|Session is closed|"
            r"Cannot (reopen|open) a client instance|Mongo\w* after close|"
            r"cannot schedule new futures after shutdown|underlying connection is closed"
        ),
        "an earlier invocation closed this pool or client, but a variable still holds the closed object, and this "
        "invocation used it",
        "Set the variable to None after closing the object, so that the next invocation creates a new one; or create "
        "the object inside the coroutine and keep it in no variable; or keep the object and one event loop for the "
        "life of the process (an asyncio.Runner that every invocation uses), and do not close it.",
    ),
    ErrorSignature(
        "closed-loop",
        re.compile("Event loop is closed|the handler is closed"),
        "an object that was opened on an earlier event loop (L1) was used, or closed, after L1 was closed",
    ),
    ErrorSignature(
        "closed-runner",
        re.compile("Runner is closed"),
        "the asyncio.Runner was closed at the end of the invocation that first used it, as `with runner:` does",
        "Keep the Runner and call runner.run() without `with`; or create a Runner for each invocation.",
    ),
    ErrorSignature(
        "no-current-loop",
        re.compile("no current event loop"),
        "the handler uses its thread's current event loop (L1), as Mangum does, but other code in the process removed "
        "it: asyncio.run() and asyncio.Runner set a current loop of their own, close it, and leave none",
        "Do not call asyncio.run() or asyncio.Runner in a process whose handler uses the current event loop. Await the "
        "work inside the application that Mangum serves, or move it to another Lambda function.",
    ),
    ErrorSignature(
        "other-backend",
        re.compile('prepared statement (".*?" )?(already exists|does not exist)'),
        "a pooler in transaction mode (PgBouncer, RDS Proxy) runs each transaction on any of its backends, where other "
        "clients' prepared statements exist and this client's may not",
        'Do not prepare statements: poolclass=NullPool and connect_args={"statement_cache_size": 0}. Unique statement '
        "names do not help: outside a transaction, a statement is prepared on one backend and executed on another.",
    ),
)
CONNECTION_SIGNATURES = tuple(one for one in ERROR_SIGNATURES if one.fix is None)
"""The errors of a connection, or of another open object, whose event loop is closed."""
