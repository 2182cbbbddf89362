"""The program behind PgBouncer, whose one connection to the server all commands share."""

from collections.abc import Callable, Iterator

import pytest

from tests.pgbouncer import installed, pgbouncer, through
from tests.program import Program
from tests.serving import serve
from ticketctl.postgres.revision import REVISION

pytestmark = pytest.mark.skipif(installed() is None, reason="pgbouncer is not installed")


@pytest.fixture(scope="module")
def port(server: str) -> Iterator[int]:
    with pgbouncer(server, default_pool_size=1) as made:
        yield made


@pytest.fixture
def pooled(ticketctl: Program, emptied_url: str, port: int) -> Program:
    return ticketctl.with_env(TICKETCTL_DATABASE_URL=through(port, emptied_url), TICKETCTL_POOL="pgbouncer")


def test_a_ticket_is_processed_behind_pgbouncer(
    ticketctl: Program, empty_database_url: str, port: int
) -> None:
    url = through(port, empty_database_url)
    pooled = ticketctl.with_env(TICKETCTL_DATABASE_URL=url, TICKETCTL_POOL="pgbouncer")
    for _ in range(2):
        assert pooled("db", "upgrade").out == f"{REVISION}\n"
    number = pooled("create", "I was charged twice for order 4711").out.strip()
    assert pooled("process", "-", "--times", "2", stdin=pooled("event", number).out).status == 0
    assert pooled("show", number, "--json").json["status"] == "processed"


def test_serve_works_behind_pgbouncer_with_its_own_pool(pooled: Program, sql: Callable[..., str]) -> None:
    """Somebody else, who prepares statements, was there before."""
    theirs = "; ".join(f"prepare __asyncpg_stmt_{number}__ as select {number}" for number in range(1, 4))
    sql(theirs, pooled.environment["TICKETCTL_DATABASE_URL"])
    with serve(pooled.environment) as server, server.open_client() as client:
        for number in range(1, 4):
            assert client.post("/tickets", json={"subject": "My printer is on fire"}).status_code == 201
            assert client.get("/tickets").json()["total"] == number


def test_another_pool_behind_pgbouncer_fails_and_names_the_right_one(pooled: Program) -> None:
    told = {pooled.with_env(TICKETCTL_POOL="null")("list") for _ in range(3)}
    (failed,) = {done for done in told if done.status}
    assert failed.status == 5
    assert 'prepared statement "__asyncpg_' in failed.err
    assert "already exists\nhint: " in failed.err
    assert "hint: a pooler stands in front of it: set TICKETCTL_POOL=pgbouncer" in failed.err


def test_a_parameter_that_pgbouncer_refuses_is_named(pooled: Program, emptied_url: str, port: int) -> None:
    url = f"{through(port, emptied_url)}?search_path=public"
    done = pooled.with_env(TICKETCTL_DATABASE_URL=url)("list")
    assert done.status == 5
    assert "unsupported startup parameter: search_path" in done.err


def test_the_simulation_tells_pools_apart_behind_pgbouncer(
    ticketctl: Program, emptied_url: str, port: int
) -> None:
    server = ("--database-url", through(port, emptied_url))
    pairs = ("--pool", "pgbouncer", "--pool", "null", "--loop", "run-per-invocation", "--times", "2")
    right, wrong = ticketctl("simulate-warm-starts", "--json", *server, *pairs).json["cells"]
    assert right["verdict"] == "safe"
    assert wrong["verdict"] == "broken"
    assert "already exists" in wrong["invocations"][0]["error"]
    assert wrong["findings"][0]["kind"] == "other-backend"
