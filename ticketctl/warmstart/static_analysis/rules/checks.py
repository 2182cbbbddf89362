"""The rules: each yields what is known to go wrong in one handler's import closure.

The sequences and counts that causes mention were measured with SQLAlchemy 2.1, asyncpg 0.32 and httpx 0.28 on Python
3.11 to 3.14.
"""

from collections.abc import Callable, Iterator

from ticketctl.warmstart.static_analysis.facts.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.finding import SourceFinding
from ticketctl.warmstart.static_analysis.rules.growth import check_growth
from ticketctl.warmstart.static_analysis.rules.library_growth import check_caches, check_growing_libraries
from ticketctl.warmstart.static_analysis.rules.library_versions import (
    check_mangum_version,
    check_powertools_version,
    check_statement_names,
)
from ticketctl.warmstart.static_analysis.rules.loops import (
    check_closed_current_loop,
    check_coroutine_handler,
    check_loop_beside_mangum,
    check_missing_current_loop,
    check_unclosed_loops,
)
from ticketctl.warmstart.static_analysis.rules.registrations import check_registrations
from ticketctl.warmstart.static_analysis.rules.resources import (
    check_clients,
    check_closed_clients,
    check_disposals,
    check_engines,
    check_primitives,
    check_shared_clients,
)
from ticketctl.warmstart.static_analysis.rules.tasks import check_endless_tasks, check_lost_tasks
from ticketctl.warmstart.static_analysis.rules.telemetry import check_unflushed_telemetry
from ticketctl.warmstart.static_analysis.rules.temporary_files import check_temporary_files
from ticketctl.warmstart.static_analysis.rules.threads import check_lost_threads
from ticketctl.warmstart.static_analysis.rules.unclosed_clients import check_unclosed_clients

Check = Callable[[ImportClosure], Iterator[SourceFinding]]

CHECKS: tuple[Check, ...] = (
    check_clients,
    check_shared_clients,
    check_closed_clients,
    check_unclosed_clients,
    check_registrations,
    check_growth,
    check_growing_libraries,
    check_caches,
    check_temporary_files,
    check_primitives,
    check_engines,
    check_disposals,
    check_closed_current_loop,
    check_unclosed_loops,
    check_missing_current_loop,
    check_lost_tasks,
    check_endless_tasks,
    check_lost_threads,
    check_unflushed_telemetry,
    check_loop_beside_mangum,
    check_coroutine_handler,
    check_mangum_version,
    check_powertools_version,
    check_statement_names,
)
