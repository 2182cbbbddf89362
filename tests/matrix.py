"""The measured behaviour of every pool and loop policy, with SQLAlchemy and asyncpg alone: five invocations of three records."""

A = ("RuntimeError", "attached to a different loop")
B = ("InterfaceError", "another operation is in progress")
OK, PARTIAL, ERROR = "ok", "partial", "error"

SOUND = [OK] * 5
BROKEN_FOR_EVER = [OK, ERROR, ERROR, ERROR, ERROR]
ALTERNATING = [OK, ERROR, OK, ERROR, OK]

EXPECTED = {
    ("null", "run-per-record"): (SOUND, "safe"),
    ("queue", "run-per-record"): ([PARTIAL, ERROR, ERROR, ERROR, ERROR], "broken"),
    ("queue-pre-ping", "run-per-record"): ([PARTIAL] * 5, "broken"),
    ("queue-recycle", "run-per-record"): (SOUND, "leaking"),
    ("static", "run-per-record"): ([PARTIAL, ERROR, ERROR, ERROR, ERROR], "broken"),
    ("dispose", "run-per-record"): (SOUND, "safe"),
    ("dispose-no-close", "run-per-record"): (SOUND, "leaking"),
    ("fresh-engine", "run-per-record"): (SOUND, "leaking"),
    ("pgbouncer", "run-per-record"): (SOUND, "safe"),
    ("null", "run-per-invocation"): (SOUND, "safe"),
    ("queue", "run-per-invocation"): (BROKEN_FOR_EVER, "broken"),
    ("queue-pre-ping", "run-per-invocation"): (ALTERNATING, "broken"),
    ("queue-recycle", "run-per-invocation"): (SOUND, "leaking"),
    ("static", "run-per-invocation"): (BROKEN_FOR_EVER, "broken"),
    ("dispose", "run-per-invocation"): (SOUND, "safe"),
    ("dispose-no-close", "run-per-invocation"): (SOUND, "leaking"),
    ("fresh-engine", "run-per-invocation"): (SOUND, "leaking"),
    ("pgbouncer", "run-per-invocation"): (SOUND, "safe"),
    ("null", "runner"): (SOUND, "safe"),
    ("queue", "runner"): (SOUND, "fragile"),
    ("queue-pre-ping", "runner"): (SOUND, "safe"),
    ("queue-recycle", "runner"): (SOUND, "safe"),
    ("static", "runner"): (SOUND, "fragile"),
    ("dispose", "runner"): (SOUND, "fragile"),
    ("dispose-no-close", "runner"): (SOUND, "fragile"),
    ("fresh-engine", "runner"): (SOUND, "fragile"),
    ("pgbouncer", "runner"): (SOUND, "safe"),
}
"""The outcomes of five invocations and the verdict, by pool and loop policy."""

API = {
    ("null", "server"): "safe",
    ("queue", "server"): "fragile",
    ("queue-pre-ping", "server"): "safe",
    ("queue-recycle", "server"): "safe",
    ("static", "server"): "fragile",
    ("dispose", "server"): "fragile",
    ("dispose-no-close", "server"): "fragile",
    ("fresh-engine", "server"): "fragile",
    ("pgbouncer", "server"): "safe",
    ("null", "mangum"): "safe",
    ("queue", "mangum"): "fragile",
    ("queue-pre-ping", "mangum"): "safe",
    ("queue-recycle", "mangum"): "safe",
    ("static", "mangum"): "fragile",
    ("dispose", "mangum"): "safe",
    ("dispose-no-close", "mangum"): "leaking",
    ("fresh-engine", "mangum"): "leaking",
    ("pgbouncer", "mangum"): "safe",
}
"""Verdicts of the API models, which keep one loop. `server` keeps one engine, `mangum` opens its pool per request."""

ERRORS = {
    ("queue", "run-per-invocation"): [None, A, B, B, B],
    ("static", "run-per-invocation"): [None, A, B, B, B],
    ("queue-pre-ping", "run-per-invocation"): [None, A, None, A, None],
}
"""The first error that each invocation raised or logged."""

RECORD_ERRORS = {
    ("queue", "run-per-record"): [[None, A, B], [B, B, B]],
    ("queue-pre-ping", "run-per-record"): [[None, A, None], [A, None, A]],
    ("null", "run-per-record"): [[None, None, None], [None, None, None]],
}
"""The error of each record in the first two invocations."""
