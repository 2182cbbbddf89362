"""Fill per-process caches before execution environments are forked, so that each does not fill its own.

The laboratory imports this module for its side effects: SQLAlchemy's compiled statements, regular expressions, msgspec's
descriptions of types, and the models of the offline provider. It opens no connection and runs no event loop.
"""

from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec

from ticketctl import settings
from ticketctl.ai.evaluation.runner import ticket_from_text
from ticketctl.ai.offline.provider import OfflineProvider
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.postgres.engine import make_engine
from ticketctl.postgres.scratch_database import BODY, SUBJECT
from ticketctl.postgres.sql import worker
from ticketctl.runtime import get_address, resources
from ticketctl.tickets.models import Step
from ticketctl.tickets.protocols import ProviderResponse

Output = TypeVar("Output")


def _finish(coroutine: Coroutine[Any, Any, ProviderResponse[Output]]) -> Output:
    """Run a step of the offline provider, which awaits nothing, and return its output."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        response: ProviderResponse[Output] = stop.value
        msgspec.to_builtins(response.output)
        return response.output
    raise AssertionError("the offline provider awaits something")


def _run_steps() -> None:
    ticket, taxonomy = ticket_from_text(f"{SUBJECT}\n\n{BODY}"), default_taxonomy()
    provider = OfflineProvider(taxonomy)
    for step in Step:
        provider.fingerprint(step, ticket)
    classification = _finish(provider.classify(ticket))
    extraction = _finish(provider.extract(ticket))
    route = taxonomy.route(classification, extraction)
    msgspec.to_builtins(route)
    _finish(provider.respond(ticket, classification, extraction, route))


def _compile_statements() -> None:
    worker_settings = settings.load({"TICKETCTL_DATABASE_URL": "postgresql://"})
    resources(worker_settings)
    engine = make_engine(get_address(worker_settings), worker_settings)
    for statement in (worker.CLAIM, worker.FINISH, worker.RELEASE):
        statement.compile(dialect=engine.dialect)


_run_steps()
_compile_statements()
