"""The matrix that the program shows, against what was measured with nothing but SQLAlchemy and asyncpg."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.embedding_model import write_model
from tests.matrix import API, ERRORS, EXPECTED, RECORD_ERRORS, SOUND
from tests.proxy import tcp_proxy
from ticketctl.diagnostics.execution_models import EXECUTION_MODELS
from ticketctl.diagnostics.simulation import MatrixCell, SimulationPlan, simulate
from ticketctl.event_loops import LOOPS
from ticketctl.postgres.address import Address
from ticketctl.postgres.pools import POOLS
from ticketctl.settings import Settings


def matches(error_type: str | None, error: str | None, expected: tuple[str, str] | None) -> bool:
    if expected is None:
        return error_type is None
    return error_type == expected[0] and expected[1] in (error or "")


def check(cell: MatrixCell, pair: tuple[str, str]) -> None:
    outcomes, verdict = EXPECTED[pair]
    report = cell.report
    assert [str(invocation.outcome) for invocation in report.invocations] == outcomes, pair
    assert report.verdict == verdict, (pair, report.findings)
    for invocation, expected in zip(report.invocations, ERRORS.get(pair, []), strict=False):
        assert matches(invocation.error_type, invocation.error, expected), (pair, invocation)
    for invocation, expected_records in zip(report.invocations, RECORD_ERRORS.get(pair, []), strict=False):
        for record, expected in zip(invocation.records, expected_records, strict=True):
            assert matches(record.error_type, record.error, expected), (pair, record)


def plan(server: str, pairs: list[tuple[str, str]], times: int = 5) -> SimulationPlan:
    return SimulationPlan(
        settings=Settings(), server=Address.parse(server), ours=True, pairs=pairs, times=times
    )


async def test_the_matrix_on_a_unix_socket(server: str) -> None:
    assert {(pool, loop) for pool in POOLS for loop in LOOPS} == EXPECTED.keys()
    cells = await simulate(plan(server, list(EXPECTED)), lambda: None)
    for cell in cells:
        check(cell, (cell.pool, cell.loop))


async def test_the_matrix_over_tcp(server: str) -> None:
    socket_folder = dict(parse_qsl(urlsplit(server).query))["host"]
    pairs = [pair for pair in EXPECTED if pair[1] != "run-per-record"]
    with tcp_proxy(Path(socket_folder) / ".s.PGSQL.5432") as port:
        over_tcp = f"postgresql://postgres@127.0.0.1:{port}/ticketctl"
        cells = await simulate(plan(over_tcp, pairs), lambda: None)
    for cell in cells:
        check(cell, (cell.pool, cell.loop))
    zombies = [zombie for cell in cells for zombie in cell.report.leftovers]
    assert zombies
    assert {zombie.peer for zombie in zombies} == {f"127.0.0.1:{port}"}


async def test_the_api_behind_a_server_and_behind_mangum(server: str) -> None:
    assert {(pool, model) for pool in POOLS for model in ("server", "mangum")} == API.keys()
    cells = await simulate(plan(server, list(API), times=3), lambda: None)
    for cell in cells:
        report = cell.report
        assert [str(invocation.outcome) for invocation in report.invocations] == SOUND[:3]
        assert {invocation.response["statusCode"] for invocation in report.invocations} == {201}
        assert report.verdict == API[cell.pool, cell.loop], (cell.pool, cell.loop, report.findings)
        assert report.leftovers == []


async def test_connections_after_twenty_invocations(server: str) -> None:
    pairs = [(pool, "run-per-invocation") for pool in POOLS] + [("queue", "runner"), ("null", "runner")]
    cells = await simulate(plan(server, pairs, times=20), lambda: None)
    left = {(cell.pool, cell.loop): cell.report.connections[-1] for cell in cells}
    assert left == {
        ("null", "run-per-invocation"): 0,
        ("queue", "run-per-invocation"): 1,
        ("queue-pre-ping", "run-per-invocation"): 10,
        ("queue-recycle", "run-per-invocation"): 20,
        ("static", "run-per-invocation"): 1,
        ("dispose", "run-per-invocation"): 0,
        ("dispose-no-close", "run-per-invocation"): 20,
        ("fresh-engine", "run-per-invocation"): 20,
        ("pgbouncer", "run-per-invocation"): 0,
        ("queue", "runner"): 1,
        ("null", "runner"): 0,
    }
    collected = {cell.pool: cell.report.connections_gc[-1] for cell in cells if cell.loop != "runner"}
    assert collected["queue-pre-ping"] < 10
    assert max(collected["dispose-no-close"], collected["fresh-engine"], collected["queue-recycle"]) < 20


async def test_each_record_names_its_ticket(server: str) -> None:
    (cell,) = await simulate(plan(server, [("queue", "run-per-record")], times=1), lambda: None)
    records = cell.to_json()["invocations"][0]["records"]
    assert [record["outcome"] for record in records] == ["ok", "failed", "failed"]
    assert all(isinstance(record["ticket_id"], int) for record in records)


async def test_the_scratch_database_is_dropped_and_nothing_else_changes(
    sql: Callable[..., str], database_url: str
) -> None:
    before = sql("select datname from pg_database where datname not like 'ticketctl_template%' order by 1")
    await simulate(plan(database_url, [("null", "run-per-invocation")], times=1), lambda: None)
    after = sql("select datname from pg_database where datname not like 'ticketctl_template%' order by 1")
    assert after == before
    assert sql("select count(*) from tickets", database_url) == "0"


@pytest.fixture
def renamed_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The same strategies under names that tell nothing; answers the new name of each."""
    names = {name: f"strategy-{number}" for number, name in enumerate(reversed(POOLS))}
    tmp_path.chmod(0o755)
    (tmp_path / "renamed_worker.py").write_text(
        f"""
from dataclasses import replace
from ticketctl.postgres import pools
NAMES = {names!r}
pools.POOLS = {{NAMES[name]: replace(pool, name=NAMES[name]) for name, pool in pools.POOLS.items()}}
from ticketctl.worker import handler
"""
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    renamed = {
        name: replace(model, handler="renamed_worker:handler") for name, model in EXECUTION_MODELS.items()
    }
    monkeypatch.setattr("ticketctl.diagnostics.simulation.EXECUTION_MODELS", renamed)
    return names


async def test_no_verdict_comes_from_a_name(server: str, renamed_worker: dict[str, str]) -> None:
    pairs = [pair for pair in EXPECTED if pair[1] != "run-per-record"]
    renamed = [(renamed_worker[pool], loop) for pool, loop in pairs]
    cells = await simulate(plan(server, renamed), lambda: None)
    for cell, pair in zip(cells, pairs, strict=True):
        assert cell.pool == renamed_worker[pair[0]]
        check(cell, pair)


async def test_environments_are_forked_with_an_embedding_model(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model of the examples is trained before: an invocation has no time for it."""
    write_model(tmp_path / "tiny", {"[UNK]": (0.0, 0.1), "printer": (1.0, 0.0), "refund": (0.0, 1.0)})
    (tmp_path / "desk.toml").write_text(
        'default_priority = "normal"\ndefault_team = "desk"\npriorities = [{name = "normal"}]\n'
        'teams = [{name = "desk"}]\ncategories = [\n'
        '{name = "printing", examples = ["the printer is jammed", "my printer has no ink"]},\n'
        '{name = "money", examples = ["a refund please", "where is my refund"]},\n]\n'
    )
    chosen = {
        "taxonomy": str(tmp_path / "desk.toml"),
        "cache": str(tmp_path / "cache"),
        "ai_embeddings": str(tmp_path / "tiny"),
    }
    for name, value in chosen.items():
        monkeypatch.setenv(f"TICKETCTL_{name.upper()}", value)
    planned = replace(plan(server, [("null", "runner")], times=2), settings=Settings(**chosen))
    trained: set[Path] = set()
    (cell,) = await simulate(planned, lambda: trained.update((tmp_path / "cache").iterdir()))
    assert (str(cell.report.verdict), len(trained)) == ("safe", 1)
