"""Rules about versions of libraries that are known to end event loops, and about settings that do not help.

That Mangum 0.20.0 runs each request in asyncio.run(), and that Powertools 3.22.1 and 3.23.0 create an event loop for
each batch, is read from the releases' source.
"""

import ast
from collections.abc import Iterator

from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.facts.module_facts import Facts
from ticketctl.warmstart.static_analysis.finding import SourceFinding, describe_site, make_finding
from ticketctl.warmstart.static_analysis.libraries import known_names
from ticketctl.warmstart.static_analysis.libraries.constructors import has_own_client

BAD_POWERTOOLS = ("3.22.1", "3.23.0")


def check_mangum_version(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the uses of the one Mangum release that runs each request in asyncio.run(), if a client outlives a request."""
    version = closure.version("mangum")
    if version not in known_names.MANGUM_LOOP_PER_REQUEST:
        return
    shared = [
        one
        for one in closure.select_reachable("shared_clients")
        if not has_own_client(one.name, (part.arg for part in one.call.keywords))
    ]
    kept = [*closure.select_kept("clients"), *closure.select_kept("engines"), *shared]
    for site in closure.select("mangums") if kept else ():
        yield make_finding(
            site.place,
            "mangum-ends-its-loop",
            f"Mangum {version} runs each request in asyncio.run() and so ends the event loop with it. "
            f"{describe_site(min(kept, key=lambda one: one.place))} keeps connections that belong to the loop of an earlier "
            "request.",
        )


def check_powertools_version(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the uses of the Powertools releases whose asynchronous batch creates an event loop for each invocation."""
    version = closure.version("aws-lambda-powertools")
    for facts in closure.modules if version in BAD_POWERTOOLS else ():
        for line in _list_batch_imports(facts):
            yield make_finding(
                (facts.module.file, line),
                "powertools-loop-per-batch",
                f"Powertools {version} creates a new event loop for each batch and never closes it: what is kept between "
                "invocations belongs to an earlier loop, and each invocation leaves a loop open.",
            )


def _list_batch_imports(facts: Facts) -> list[int]:
    return [
        node.lineno
        for node in facts.module.nodes
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("aws_lambda_powertools.utilities.batch")
        and any(alias.name in known_names.POWERTOOLS_ASYNC_BATCH for alias in node.names)
    ]


def check_statement_names(closure: ImportClosure) -> Iterator[SourceFinding]:
    """Yield the unique names for prepared statements, which do not make a transaction pooler safe."""
    for facts in closure.modules:
        for line in facts.statement_names:
            yield make_finding(
                (facts.module.file, line),
                "unique-statement-names",
                "Unique names keep prepared statements from colliding behind a pooler, but in transaction mode a statement "
                "may be prepared on one backend and executed on another: 169 of 192 autocommit calls failed.",
            )
