"""Pool strategies as data: how to build each, what it does, when to use it.

Whether a strategy survives warm starts is not stated here: `ticketctl simulate-warm-starts` measures it. This module
does not import SQLAlchemy, so that completing or validating a pool's name is fast.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from ticketctl.errors import ConfigError
from ticketctl.event_loops import LoopPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStrategy:
    """One strategy.

    `pool_class` names a class of `sqlalchemy.pool` (None: the engine's default); `options` go to the engine,
    `connect_args` to asyncpg. `lives_with`: whether the engine is kept for the process or made for each event loop.
    `forget_at_start`: the pool drops its connections, without closing them, when a loop starts. `dispose_at_end`: it
    closes them when the loop ends. `purpose` and `right_when` are shown to users.
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
        """Whether the pool keeps connections after the event loop that they are bound to has ended."""
        return self.pool_class != "NullPool" and not self.dispose_at_end

    @property
    def is_sized(self) -> bool:
        """Whether the pool takes a pool_size."""
        return self.pool_class == "AsyncAdaptedQueuePool"


_ALL = (
    PoolStrategy(
        name="null",
        purpose="opens a connection when one is needed and closes it after use",
        right_when="each invocation runs in a new event loop (the worker's default)",
        pool_class="NullPool",
    ),
    PoolStrategy(
        name="queue",
        purpose="SQLAlchemy's default: keeps up to five connections open",
        right_when="one event loop lives on and the server never closes idle connections",
        pool_class="AsyncAdaptedQueuePool",
    ),
    PoolStrategy(
        name="queue-pre-ping",
        purpose="the default pool; tests each connection before it hands it out",
        right_when="one event loop lives on: it replaces connections that a freeze broke",
        pool_class="AsyncAdaptedQueuePool",
        options={"pool_pre_ping": True},
    ),
    PoolStrategy(
        name="queue-recycle",
        purpose="the default pool; replaces the connection at every checkout",
        right_when="never: on one event loop null does the same; with several, sockets pile up",
        pool_class="AsyncAdaptedQueuePool",
        options={"pool_recycle": 0},
    ),
    PoolStrategy(
        name="static",
        purpose="one connection, shared by all callers",
        right_when="never with a server: use it with an in-memory database",
        pool_class="StaticPool",
    ),
    PoolStrategy(
        name="dispose",
        purpose="the default pool; closes its connections at the end of each event loop",
        right_when="each invocation runs in a new event loop and executes many statements",
        pool_class="AsyncAdaptedQueuePool",
        dispose_at_end=True,
    ),
    PoolStrategy(
        name="dispose-no-close",
        purpose="the default pool; drops its connections unclosed at the start of each event loop",
        right_when="once, after a fork: the server keeps the dropped connections open",
        pool_class="AsyncAdaptedQueuePool",
        forget_at_start=True,
    ),
    PoolStrategy(
        name="fresh-engine",
        purpose="a new engine and pool for each event loop, never disposed of",
        right_when="never: use dispose, which closes the connections that this leaves open",
        pool_class="AsyncAdaptedQueuePool",
        lives_with="loop",
    ),
    PoolStrategy(
        name="pgbouncer",
        purpose="null, without prepared statements that outlive a transaction",
        right_when="PgBouncer in transaction mode or RDS Proxy stands in front of Postgres",
        pool_class="NullPool",
        # without a cache, statements are unnamed: the pooler may run each one on another backend
        connect_args={"statement_cache_size": 0},
    ),
)

POOLS: Mapping[str, PoolStrategy] = MappingProxyType({pool.name: pool for pool in _ALL})
ALIASES: Mapping[str, str] = MappingProxyType({"rds-proxy": "pgbouncer"})


def find_pool(name: str) -> PoolStrategy | None:
    """Return the strategy with this name or alias, or None."""
    return POOLS.get(ALIASES.get(name, name))


def get_pool(name: str) -> PoolStrategy:
    """Return the strategy with this name or alias. Raises ConfigError, which lists the choices."""
    pool = find_pool(name)
    if pool is None:
        choices = ", ".join([*POOLS, *ALIASES])
        raise ConfigError(f"there is no pool {name}", hint=f"a pool can be {choices}")
    return pool


def explain_unsafe_pair(pool: PoolStrategy, policy: LoopPolicy) -> str | None:
    """Return why this pair of pool and loop policy fails in warm starts, or None."""
    if policy.persistent or not pool.outlives_loop:
        return None
    return (
        f"the pool {pool.name} keeps connections that are bound to an event loop, and the loop policy {policy.name} "
        "closes that loop: the next loop cannot use them. See: ticketctl simulate-warm-starts"
    )
