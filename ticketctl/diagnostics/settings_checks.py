"""The doctor's view of our own settings: pool against loop, and both against being on Lambda."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ticketctl.diagnostics.queue_checks import check_queue
from ticketctl.event_loops import LoopPolicy, get_loop_policy
from ticketctl.postgres.address import Address
from ticketctl.postgres.pools import PoolStrategy, get_pool
from ticketctl.runtime import explain_unsafe_pair
from ticketctl.settings import FILE, PREFIX, Settings
from ticketctl.tickets.protocols import QueuePolicy
from ticketctl.warmstart.static_analysis.finding import SourceFinding

LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"
PROXY = ".proxy-"
"""What every RDS Proxy endpoint has in its name: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy.html."""
PGBOUNCER_PORT = ":6432"


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What queue and database answered: how the queue delivers, and the connections that the server has to give."""

    policy: QueuePolicy
    connection_limit: int


def check_settings(settings: Settings, environment: Mapping[str, str]) -> list[SourceFinding]:
    """What is known to go wrong with these settings. Raises ConfigError for a pool or loop that is not there."""
    pool, policy = get_pool(settings.pool), get_loop_policy(settings.loop)
    on_lambda = LAMBDA in environment or settings.queue_url is not None
    place = _Places(environment)
    return [
        *_pair(pool, policy, place),
        *(_on_lambda(settings, pool, policy, place) if on_lambda else ()),
        *_pooler(settings, pool, place),
    ]


def check_server_limits(
    settings: Settings, environment: Mapping[str, str], limits: ServerLimits
) -> list[SourceFinding]:
    """What is known to go wrong between the settings, the queue's own policy, and the server's connections."""
    place = _Places(environment)
    return [
        place.advice(
            one.setting, one.setting.replace("_", "-"), f"{_sentence(one.cause)}.", f"{_sentence(one.fix)}."
        )
        for one in check_queue(settings, limits.policy, limits.connection_limit)
    ]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


class _Places:
    """Where a setting was made: the line of the file, or the environment, which goes before it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._file = Path(environment.get(PREFIX + "CONFIG") or FILE)

    def advice(self, setting: str, rule: str, cause: str, cure: str, *, breaks: bool = True) -> SourceFinding:
        file, line = self._place(setting)
        return SourceFinding(file=file, line=line, rule=rule, cause=cause, fix=cure, breaks=breaks)

    def _place(self, setting: str) -> tuple[str, int]:
        variable = PREFIX + setting.upper()
        if self._environment.get(variable) or not self._file.is_file():
            return variable, 0
        lines = self._file.read_text("utf-8").split("\n")
        named = (number for number, line in enumerate(lines, 1) if line.partition("=")[0].strip() == setting)
        return self._file.name, next(named, 1)


def _pair(pool: PoolStrategy, policy: LoopPolicy, place: _Places) -> Iterator[SourceFinding]:
    cause = explain_unsafe_pair(pool, policy)
    if cause is not None:
        yield place.advice(
            "pool",
            "pool-outlives-loop",
            cause.partition(" See: ")[0],
            f"{PREFIX}POOL=null, or {PREFIX}POOL=queue-pre-ping with {PREFIX}LOOP=runner.",
        )


def _on_lambda(
    settings: Settings, pool: PoolStrategy, policy: LoopPolicy, place: _Places
) -> Iterator[SourceFinding]:
    if settings.database_url is None:
        yield place.advice(
            "database_url",
            "no-database-on-lambda",
            "No database is named, and the embedded server is not for Lambda: its data would be gone with the "
            "execution environment, and no other could see them.",
            f"Set {PREFIX}DATABASE_URL.",
        )
    if policy.persistent and pool.outlives_loop and not pool.options.get("pool_pre_ping"):
        yield place.advice(
            "pool",
            "pool-does-not-survive-a-freeze",
            f"The pool {pool.name} keeps connections while Lambda freezes the environment. What the server closes "
            "meanwhile is found out by the first invocation after the thaw, which fails.",
            f"{PREFIX}POOL=queue-pre-ping.",
            breaks=False,
        )


def _pooler(settings: Settings, pool: PoolStrategy, place: _Places) -> Iterator[SourceFinding]:
    if settings.database_url is None or pool.connect_args.get("statement_cache_size") == 0:
        return
    hosts = Address.parse(settings.database_url).display_name.partition("/")[0]
    if PROXY in hosts or hosts.endswith(PGBOUNCER_PORT):
        yield place.advice(
            "pool",
            "prepared-statements-behind-a-pooler",
            f"The address is that of a pooler, and the pool {pool.name} keeps prepared statements: the next "
            "transaction may be another backend's, which does not know them.",
            f"{PREFIX}POOL=pgbouncer.",
        )
