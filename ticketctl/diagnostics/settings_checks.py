"""Check our own settings for `ticketctl doctor`: pool against loop policy, and both against Lambda."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ticketctl.diagnostics.queue_checks import check_queue
from ticketctl.event_loops import LoopPolicy, get_loop_policy
from ticketctl.postgres.address import Address
from ticketctl.postgres.pools import PoolStrategy, explain_unsafe_pair, get_pool
from ticketctl.settings import FILE, PREFIX, Settings
from ticketctl.tickets.queue_protocols import QueuePolicy
from ticketctl.warmstart.static_analysis.finding import SourceFinding

LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"
PROXY = ".proxy-"
"""Part of the name of every RDS Proxy endpoint: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy.html."""
PGBOUNCER_PORT = ":6432"


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What queue and database server report: the queue's policy, and the connections that the server allows."""

    policy: QueuePolicy
    connection_limit: int


def check_settings(settings: Settings, environment: Mapping[str, str]) -> list[SourceFinding]:
    """Return what is known to fail with these settings. Raises ConfigError for an unknown pool or loop policy."""
    pool, policy = get_pool(settings.pool), get_loop_policy(settings.loop)
    on_lambda = LAMBDA in environment or settings.queue_url is not None
    locator = _SettingLocator(environment)
    return [
        *_check_pair(pool, policy, locator),
        *(_check_on_lambda(settings, pool, policy, locator) if on_lambda else ()),
        *_check_pooler(settings, pool, locator),
    ]


def check_server_limits(
    settings: Settings, environment: Mapping[str, str], limits: ServerLimits
) -> list[SourceFinding]:
    """Return where the settings contradict the queue's policy or the server's connection limit."""
    locator = _SettingLocator(environment)
    return [
        locator.finding(
            one.setting, one.setting.replace("_", "-"), f"{_sentence(one.cause)}.", f"{_sentence(one.fix)}."
        )
        for one in check_queue(settings, limits.policy, limits.connection_limit)
    ]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


class _SettingLocator:
    """Finds where a setting was set: the environment variable, which has priority, or the line of the file."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._file = Path(environment.get(PREFIX + "CONFIG") or FILE)

    def finding(self, setting: str, rule: str, cause: str, fix: str, *, breaks: bool = True) -> SourceFinding:
        file, line = self._locate(setting)
        return SourceFinding(file=file, line=line, rule=rule, cause=cause, fix=fix, breaks=breaks)

    def _locate(self, setting: str) -> tuple[str, int]:
        variable = PREFIX + setting.upper()
        if self._environment.get(variable) or not self._file.is_file():
            return variable, 0
        lines = self._file.read_text("utf-8").split("\n")
        matches = (
            number for number, line in enumerate(lines, 1) if line.partition("=")[0].strip() == setting
        )
        return self._file.name, next(matches, 1)


def _check_pair(pool: PoolStrategy, policy: LoopPolicy, locator: _SettingLocator) -> Iterator[SourceFinding]:
    cause = explain_unsafe_pair(pool, policy)
    if cause is not None:
        yield locator.finding(
            "pool",
            "pool-outlives-loop",
            cause.partition(" See: ")[0],
            f"{PREFIX}POOL=null, or {PREFIX}POOL=queue-pre-ping with {PREFIX}LOOP=runner.",
        )


def _check_on_lambda(
    settings: Settings, pool: PoolStrategy, policy: LoopPolicy, locator: _SettingLocator
) -> Iterator[SourceFinding]:
    if settings.database_url is None:
        yield locator.finding(
            "database_url",
            "no-database-on-lambda",
            "No database URL is set. The embedded server does not suit Lambda: its data would end with the "
            "execution environment, and no other environment could see them.",
            f"Set {PREFIX}DATABASE_URL.",
        )
    if policy.persistent and pool.outlives_loop and not pool.options.get("pool_pre_ping"):
        yield locator.finding(
            "pool",
            "pool-does-not-survive-a-freeze",
            f"The pool {pool.name} keeps connections while Lambda freezes the environment. If the server closes one "
            "meanwhile, the first invocation after the thaw fails.",
            f"{PREFIX}POOL=queue-pre-ping.",
            breaks=False,
        )


def _check_pooler(
    settings: Settings, pool: PoolStrategy, locator: _SettingLocator
) -> Iterator[SourceFinding]:
    if settings.database_url is None or pool.connect_args.get("statement_cache_size") == 0:
        return
    hosts = Address.parse(settings.database_url).display_name.partition("/")[0]
    if PROXY in hosts or hosts.endswith(PGBOUNCER_PORT):
        yield locator.finding(
            "pool",
            "prepared-statements-behind-a-pooler",
            f"The address belongs to a pooler, and the pool {pool.name} keeps prepared statements: the next "
            "transaction may run on another backend, which does not know them.",
            f"{PREFIX}POOL=pgbouncer.",
        )
