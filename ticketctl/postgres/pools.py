"""PoolStrategy strategies as data: what each builds, what it is for, when it is right.

Whether one survives warm starts is not written here: `ticketctl simulate-warm-starts` measures it. Nothing of
SQLAlchemy is imported, so that naming the strategies costs nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from ticketctl.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStrategy:
    """One strategy.

    `pool_class` is a class of `sqlalchemy.pool` (None: the engine's default), `options` go to the engine,
    `connect_args` to asyncpg. The engine lives with the process or with one event loop; before a loop it may
    be told to forget its connections without closing them, after a loop to close them.
    """

    name: str
    purpose: str
    right_when: str
    pool_class: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    connect_args: Mapping[str, Any] = field(default_factory=dict)
    lives_with: Literal["process", "loop"] = "process"
    forget_at_start: bool = False
    dispose_at_end: bool = False

    @property
    def outlives_loop(self) -> bool:
        """Whether it keeps connections after the event loop that they belong to has ended."""
        return self.pool_class != "NullPool" and not self.dispose_at_end

    @property
    def is_sized(self) -> bool:
        """Whether it keeps up to a number of connections."""
        return self.pool_class == "AsyncAdaptedQueuePool"


_ALL = (
    PoolStrategy(
        name="null",
        purpose="a fresh connection, closed as soon as nobody has use for it",
        right_when="each invocation has an event loop of its own (the worker's default)",
        pool_class="NullPool",
    ),
    PoolStrategy(
        name="queue",
        purpose="SQLAlchemy's default: up to five connections kept open",
        right_when="one event loop lives on, and the server never closes an idle connection",
        pool_class="AsyncAdaptedQueuePool",
    ),
    PoolStrategy(
        name="queue-pre-ping",
        purpose="the default pool, each connection tried before it is handed out",
        right_when="one event loop lives on: it mends what a freeze broke",
        pool_class="AsyncAdaptedQueuePool",
        options={"pool_pre_ping": True},
    ),
    PoolStrategy(
        name="queue-recycle",
        purpose="the default pool, each connection replaced at every checkout",
        right_when="never: on one event loop null does the same, without it sockets pile up",
        pool_class="AsyncAdaptedQueuePool",
        options={"pool_recycle": 0},
    ),
    PoolStrategy(
        name="static",
        purpose="one connection for everybody",
        right_when="never with a server: use it with an in-memory database",
        pool_class="StaticPool",
    ),
    PoolStrategy(
        name="dispose",
        purpose="the default pool, its connections closed at the end of each event loop",
        right_when="each invocation has its own event loop and makes many statements",
        pool_class="AsyncAdaptedQueuePool",
        dispose_at_end=True,
    ),
    PoolStrategy(
        name="dispose-no-close",
        purpose="the default pool, its connections forgotten at the start of each event loop",
        right_when="once, after a fork: forgotten connections stay open at the server",
        pool_class="AsyncAdaptedQueuePool",
        forget_at_start=True,
    ),
    PoolStrategy(
        name="fresh-engine",
        purpose="a new engine and pool for each event loop, never disposed of",
        right_when="never: dispose closes what this leaves open",
        pool_class="AsyncAdaptedQueuePool",
        lives_with="loop",
    ),
    PoolStrategy(
        name="pgbouncer",
        purpose="null, without prepared statements that outlive a transaction",
        right_when="PgBouncer in transaction mode or RDS Proxy stands in front of Postgres",
        pool_class="NullPool",
        # then statements have no name; those that SQLAlchemy keeps are parsed anew whenever they are executed
        connect_args={"statement_cache_size": 0},
    ),
)

POOLS: Mapping[str, PoolStrategy] = MappingProxyType({pool.name: pool for pool in _ALL})
ALIASES: Mapping[str, str] = MappingProxyType({"rds-proxy": "pgbouncer"})


def find_pool(name: str) -> PoolStrategy | None:
    """The strategy of that name or alias, or None."""
    return POOLS.get(ALIASES.get(name, name))


def get_pool(name: str) -> PoolStrategy:
    """The strategy that a setting names. Raises ConfigError with the choices."""
    pool = find_pool(name)
    if pool is None:
        choices = ", ".join([*POOLS, *ALIASES])
        raise ConfigError(f"there is no pool {name}", hint=f"a pool can be {choices}")
    return pool
