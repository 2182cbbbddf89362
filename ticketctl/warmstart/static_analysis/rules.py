"""What is known to go wrong, as rules over facts; each says where it comes from.

The sequences and counts that causes speak of were measured with SQLAlchemy 2.1, asyncpg 0.32 and httpx 0.28 on
Python 3.11 to 3.14. That Mangum 0.20.0 runs each request in asyncio.run(), and Powertools 3.22.1 and 3.23.0 make a
loop for each batch, is read from their releases' source.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ticketctl.warmstart.static_analysis import known_names
from ticketctl.warmstart.static_analysis.facts import Facts, Use
from ticketctl.warmstart.static_analysis.finding import SourceFinding
from ticketctl.warmstart.static_analysis.versions import Versions

PER_LOOP = (
    "Make it inside the coroutine that runs and close it there (async with, or a finally); or keep one loop for the "
    "life of the process: an asyncio.Runner at module level that every invocation uses."
)
ENGINE_CURE = (
    "Give the engine poolclass=NullPool, or await engine.dispose() in a finally before the loop ends; or keep one loop "
    "for the life of the process, with pool_pre_ping=True."
)
SUCCESS_ONLY = (
    "dispose-on-success-only",
    "dispose() is reached only where all went well: after the first failure the pool keeps a dead loop's connection.",
    "Put await engine.dispose() into a finally.",
)
WITHOUT_CLOSE = (
    "dispose-without-close",
    "dispose(close=False) leaves connections open: each invocation adds some, until the server refuses the next.",
    "await engine.dispose() in a finally before the loop ends, or poolclass=NullPool.",
)
FALSE_CURES = ("pool_pre_ping", "pool_recycle", "pool_size", "max_overflow")
BAD_MANGUM = ("0.20.0",)
BAD_POWERTOOLS = ("3.22.1", "3.23.0")


@dataclass(frozen=True, slots=True)
class Scene:
    """The modules that one handler's import brings in, and the versions that it will meet."""

    modules: Sequence[Facts]
    version: Versions

    @property
    def runs(self) -> list[Use]:
        """What makes a loop each time that it is called."""
        found = [use for facts in self.modules for use in facts.runs if _again_and_again(facts, use)]
        persistent = [use for use in self.kept(found) if use.name.rpartition(".")[2] in known_names.LOOPS]
        return [use for use in found if use not in persistent]

    def kept(self, uses: Iterable[Use]) -> list[Use]:
        """Of some uses, those whose results are there for the next loop to find."""
        instances = {name for facts in self.modules for name in facts.instances}
        return [use for use in uses if use.kept or use.owner in instances]


def _again_and_again(facts: Facts, use: Use) -> bool:
    if use.function is None:
        return use.name in known_names.CONVERTERS
    return getattr(use.function, "name", None) not in facts.programs


def clients(scene: Scene) -> Iterator[SourceFinding]:
    """A client or pool that outlives the loop that its connections belong to."""
    if not scene.runs:
        return
    closed = {name for facts in scene.modules for name in facts.closed}
    for use in scene.kept(use for facts in scene.modules for use in facts.clients):
        if not _keeps_nothing_alive(use) and use.target not in closed:
            yield _advice(
                use,
                "client-outlives-loop",
                f"{use.name} is made once and kept, but {_place(scene.runs[0])} ends its event loop with each call. "
                "Its connections belong to the first loop (L1); the next one (L2) is handed them: "
                '"attached to a different loop", "Event loop is closed".',
                PER_LOOP,
            )


def primitives(scene: Scene) -> Iterator[SourceFinding]:
    """A lock or queue that binds itself to the first loop on which somebody has to wait for it."""
    if not scene.runs:
        return
    for use in scene.kept(use for facts in scene.modules for use in facts.primitives):
        yield _advice(
            use,
            "primitive-outlives-loop",
            f"{use.name} is made once and kept, but {_place(scene.runs[0])} ends its event loop with each call. It "
            "binds itself to the first loop on which somebody has to wait for it; waiting on a later one raises "
            '"bound to a different event loop". Nobody waits: nothing happens.',
            "Make it inside the coroutine that runs, and pass it on.",
            breaks=False,
        )


def engines(scene: Scene) -> Iterator[SourceFinding]:
    """An engine whose pool outlives its loop, or that nobody ever disposes of."""
    found = [use for facts in scene.modules for use in facts.engines]
    disposals = [one for facts in scene.modules for one in facts.disposals]
    if not scene.runs or any(one.closes for one in disposals):
        return
    kept = scene.kept(found)
    for use in found:
        if _pool_class(use) == "NullPool":
            continue
        if use in kept:
            yield _advice(use, "engine-outlives-loop", _engine_cause(scene, use), ENGINE_CURE)
        elif use.owner is None and isinstance(use.function, ast.AsyncFunctionDef):
            yield _advice(
                use,
                "engine-never-disposed",
                "The engine is made in a coroutine and never disposed of: each call leaves connections open on a loop "
                "that is gone, until the server refuses the next one.",
                "await engine.dispose() in a finally, or poolclass=NullPool.",
            )


def _engine_cause(scene: Scene, use: Use) -> str:
    false = [name for name in FALSE_CURES if _keyword(use.call, name) is not None]
    return (
        f"The engine's pool keeps connections, and {_place(scene.runs[0])} ends its event loop with each call. A "
        "connection (C1) belongs to the loop that opened it (L1); the pool hands it to the next (L2): "
        '"attached to a different loop", then "another operation is in progress".'
        + (
            f" {' and '.join(false)} does not mend it: the check itself runs on the wrong loop."
            if false
            else ""
        )
    )


def disposals(scene: Scene) -> Iterator[SourceFinding]:
    """A dispose() that a failure passes by, or that leaves connections open."""
    if not scene.runs or not any(facts.engines for facts in scene.modules):
        return
    every = [one for facts in scene.modules for one in facts.disposals]
    if any(one.certain and one.closes for one in every):
        return
    for one in every:
        rule, cause, cure = SUCCESS_ONLY if one.closes else WITHOUT_CLOSE
        yield SourceFinding(file=one.module.file, line=one.line, rule=rule, cause=cause, fix=cure)


def beside_mangum(scene: Scene) -> Iterator[SourceFinding]:
    """A loop of somebody else's in a process where Mangum keeps one.

    What stands in a function of another module may be called in processes of its own only, as a worker's loop is.
    """
    mangums = [use for facts in scene.modules for use in facts.mangums]
    if not mangums:
        return
    beside = {use.module.file for use in mangums}
    for use in (use for facts in scene.modules for use in facts.runs):
        yield _advice(
            use,
            "loop-beside-mangum",
            f"Mangum ({_place(mangums[0])}) keeps the thread's event loop from request to request. {use.name} in the "
            "same process puts another in its place and takes that away when it ends; what the application holds "
            "belongs to a loop that is never run again.",
            "Await the coroutine within a request (a lifespan for what has to be made once), or give it a function "
            "and a process of its own.",
            breaks=use.function is None or use.module.file in beside,
        )


def mangum_version(scene: Scene) -> Iterator[SourceFinding]:
    """The one release of Mangum that runs each request in asyncio.run()."""
    version = scene.version("mangum")
    if version not in BAD_MANGUM:
        return
    for facts in scene.modules:
        for use in facts.mangums:
            yield _advice(
                use,
                "mangum-ends-its-loop",
                f"Mangum {version} runs each request in asyncio.run() and so ends the event loop with it: whatever the "
                "application keeps from one request to the next is bound to a loop that is gone.",
                "Install mangum>=0.21, which keeps its loop.",
            )


def powertools_version(scene: Scene) -> Iterator[SourceFinding]:
    """The releases of Powertools whose asynchronous batch makes a loop for each invocation."""
    version = scene.version("aws-lambda-powertools")
    if version not in BAD_POWERTOOLS:
        return
    for facts in scene.modules:
        for line in _batch_imports(facts):
            yield SourceFinding(
                file=facts.module.file,
                line=line,
                rule="powertools-loop-per-batch",
                cause=f"Powertools {version} makes a new event loop for each batch and never closes it: what is kept "
                "between invocations belongs to an earlier loop, and each invocation leaves a loop open.",
                fix="Install aws-lambda-powertools>=3.24.0, which keeps its loop.",
            )


def _batch_imports(facts: Facts) -> list[int]:
    tree = facts.module.tree or ast.Module([], [])
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("aws_lambda_powertools.utilities.batch")
        and any(alias.name in known_names.BATCH_ASYNC for alias in node.names)
    ]


def statement_names(scene: Scene) -> Iterator[SourceFinding]:
    """The recipe of unique names for prepared statements, for poolers in transaction mode."""
    for facts in scene.modules:
        for line in facts.statement_names:
            yield SourceFinding(
                file=facts.module.file,
                line=line,
                rule="unique-statement-names",
                cause="Unique names keep prepared statements from colliding behind a pooler, but not from being "
                "prepared on one backend and executed on another: in transaction mode, 169 of 192 autocommit calls "
                "failed.",
                fix='poolclass=NullPool and connect_args={"statement_cache_size": 0}, and nothing else.',
            )


def coroutine_handlers(scene: Scene) -> Iterator[SourceFinding]:
    """A handler that is a coroutine function."""
    for facts in scene.modules:
        for function in facts.handlers:
            plain = isinstance(function, ast.AsyncFunctionDef) and not function.decorator_list
            if plain and function.name.endswith("handler"):
                yield SourceFinding(
                    file=facts.module.file,
                    line=function.lineno,
                    rule="coroutine-handler",
                    cause=f"{function.name} is a coroutine function: Lambda calls it, gets a coroutine, and awaits "
                    "nothing.",
                    fix="Make the handler a plain function that runs the coroutine.",
                    breaks=False,
                )


RULES: tuple[Callable[[Scene], Iterator[SourceFinding]], ...] = (
    clients,
    primitives,
    engines,
    disposals,
    beside_mangum,
    mangum_version,
    powertools_version,
    statement_names,
    coroutine_handlers,
)


def _advice(use: Use, rule: str, cause: str, cure: str, *, breaks: bool = True) -> SourceFinding:
    file, line = use.place
    return SourceFinding(file=file, line=line, rule=rule, cause=cause, fix=cure, breaks=breaks)


def _place(use: Use) -> str:
    file, line = use.place
    return f"{use.name} at {file}:{line}"


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _pool_class(use: Use) -> str | None:
    """The pool class's name; NullPool as well where options are handed over whole, and a NullPool is about."""
    pool = _keyword(use.call, "poolclass")
    if pool is not None:
        return use.module.dotted(pool).rpartition(".")[2] or None
    handed_over = any(keyword.arg is None for keyword in use.call.keywords)
    return "NullPool" if handed_over and "NullPool" in use.module.names else None


def _keeps_nothing_alive(use: Use) -> bool:
    """Whether an HTTP client is told to keep no connection after its response."""
    limits = _keyword(use.call, "limits")
    kept = _keyword(limits, "max_keepalive_connections") if isinstance(limits, ast.Call) else None
    return isinstance(kept, ast.Constant) and kept.value == 0
