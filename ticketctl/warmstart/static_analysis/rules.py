"""The rules: each yields what is known to go wrong in one handler's import closure.

The sequences and counts that causes mention were measured with SQLAlchemy 2.1, asyncpg 0.32 and httpx 0.28 on Python
3.11 to 3.14.
"""

from collections.abc import Callable, Iterator

from ticketctl.warmstart.static_analysis.finding import SourceFinding
from ticketctl.warmstart.static_analysis.growth_rules import check_growth
from ticketctl.warmstart.static_analysis.import_closure import ImportClosure
from ticketctl.warmstart.static_analysis.library_growth_rules import check_caches, check_growing_libraries
from ticketctl.warmstart.static_analysis.loop_rules import (
    check_closed_current_loop,
    check_coroutine_handler,
    check_loop_beside_mangum,
    check_missing_current_loop,
    check_unclosed_loops,
)
from ticketctl.warmstart.static_analysis.registration_rules import check_registrations
from ticketctl.warmstart.static_analysis.resource_rules import (
    check_clients,
    check_closed_clients,
    check_disposals,
    check_engines,
    check_primitives,
    check_shared_clients,
)
from ticketctl.warmstart.static_analysis.task_rules import check_endless_tasks, check_lost_tasks
from ticketctl.warmstart.static_analysis.thread_rules import check_lost_threads
from ticketctl.warmstart.static_analysis.unclosed_client_rules import check_unclosed_clients
from ticketctl.warmstart.static_analysis.version_rules import (
    check_mangum_version,
    check_powertools_version,
    check_statement_names,
)

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
    check_primitives,
    check_engines,
    check_disposals,
    check_closed_current_loop,
    check_unclosed_loops,
    check_missing_current_loop,
    check_lost_tasks,
    check_endless_tasks,
    check_lost_threads,
    check_loop_beside_mangum,
    check_coroutine_handler,
    check_mangum_version,
    check_powertools_version,
    check_statement_names,
)
