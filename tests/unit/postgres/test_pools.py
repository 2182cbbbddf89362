"""Pool strategies and loop policies are data: no other code may depend on their names."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import pool as pools

import ticketctl.event_loops
import ticketctl.postgres.pools
from ticketctl.errors import ConfigError
from ticketctl.event_loops import LOOPS, get_loop_policy
from ticketctl.postgres.pools import ALIASES, POOLS, explain_unsafe_pair, find_pool, get_pool
from ticketctl.settings import Settings

PACKAGE = Path(ticketctl.event_loops.__file__).parent


def test_the_strategies_and_loop_policies_are_the_documented_ones() -> None:
    assert set(POOLS) == {
        "null",
        "queue",
        "queue-pre-ping",
        "queue-recycle",
        "static",
        "dispose",
        "dispose-no-close",
        "fresh-engine",
        "pgbouncer",
    }
    assert set(LOOPS) == {"run-per-record", "run-per-invocation", "runner"}


def test_each_strategy_has_its_name_and_a_purpose() -> None:
    for strategies in (POOLS, LOOPS):
        for name, strategy in strategies.items():
            assert strategy.name == name
            assert strategy.purpose
            assert strategy.right_when


def test_every_pool_class_exists_in_sqlalchemy() -> None:
    for pool in POOLS.values():
        assert pool.pool_class is None or issubclass(getattr(pools, pool.pool_class), pools.Pool)


def test_an_alias_is_another_name_of_a_pool() -> None:
    assert not set(ALIASES) & set(POOLS)
    for alias, name in ALIASES.items():
        assert find_pool(alias) is POOLS[name]


def test_the_default_pair_is_safe() -> None:
    settings = Settings()
    assert explain_unsafe_pair(get_pool(settings.pool), get_loop_policy(settings.loop)) is None


@pytest.mark.parametrize("policy", LOOPS.values(), ids=LOOPS)
def test_pools_that_outlive_a_loop_are_warned_of(policy: ticketctl.event_loops.LoopPolicy) -> None:
    warned = {name for name, pool in POOLS.items() if explain_unsafe_pair(pool, policy) is not None}
    assert warned == (set() if policy.persistent else set(POOLS) - {"null", "dispose", "pgbouncer"})


def test_the_warning_names_the_pair_and_the_simulator() -> None:
    warning = explain_unsafe_pair(replace(POOLS["queue"], name="mine"), LOOPS["run-per-record"])
    assert warning is not None
    assert "the pool mine" in warning
    assert "the loop policy run-per-record" in warning
    assert "simulate-warm-starts" in warning


def test_an_unknown_name_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigError, match="no pool puddle") as raised:
        get_pool("puddle")
    assert all(name in str(raised.value.hint) for name in [*POOLS, *ALIASES])
    with pytest.raises(ConfigError, match="no loop knot") as raised:
        get_loop_policy("knot")
    assert all(name in str(raised.value.hint) for name in LOOPS)


def test_no_code_compares_with_the_name_of_a_strategy() -> None:
    names = "|".join(map(re.escape, [*POOLS, *ALIASES, *LOOPS]))
    compared = re.compile(rf"""(==|!=|\bin|\bis)\s*[({{\[]*["']({names})["']""")
    # the laboratory knows no strategy, and the "null" of errors.py is JSON's
    exempt = {*PACKAGE.glob("warmstart/**/*.py"), PACKAGE / "errors.py"}
    for path in set(PACKAGE.rglob("*.py")) - exempt:
        assert compared.search(path.read_text("utf-8")) is None, path
