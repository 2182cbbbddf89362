"""Verdicts are the same on uvloop, on every installed Python, and with or without the census."""

import fcntl
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.integration.warmstart.cases import CASES, COLD_ONLY, case_id, check_report
from ticketctl.warmstart.runner.experiment import Experiment

LIBRARIES = (
    "aiobotocore",
    "aiohttp",
    "asyncpg",
    "aws-lambda-powertools",
    "httpx",
    "mangum",
    "psycopg[binary,pool]",
    "redis",
    "sqlalchemy[asyncio]",
    "uvloop",
)
"""What the handlers of the corpus import."""
ON_UVLOOP = [
    ("asyncpg_pool_per_loop", "safe", "postgres"),
    ("engine_dispose_always", "safe", "postgres"),
    ("fire_and_forget", "masked", "http"),
    ("httpx_per_loop", "safe", "http"),
    # measured: ok five times, since httpx notices the descriptor that uvloop closed with the loop
    ("httpx_shared", "masked", "http"),
    ("lock_contended_once", "masked", "http"),
    ("run_until_complete", "safe", "http"),
    ("runner", "safe", "postgres"),
    ("streams_idle", "masked", "http"),
    ("streams_per_loop", "safe", "http"),
    ("streams_shared", "broken", "http"),
]


def other_pythons() -> list[str]:
    """Return interpreters from 3.11 on, the oldest first: those on the path, and those installed beside this one."""
    names = [shutil.which(f"python3.{minor}") for minor in range(11, 20)]
    beside = Path(sys.base_prefix).parent.glob("3.*/bin/python3")
    found = {}
    for python in [*filter(None, names), *map(str, beside)]:
        asked = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        version = tuple(map(int, asked.stdout.split()))
        if asked.returncode == 0 and version >= (3, 11) and version != sys.version_info[:2]:
            found.setdefault(version, python)
    return [found[version] for version in sorted(found)]


OTHERS = other_pythons()


@pytest.fixture(scope="session")
def with_libraries(tmp_path_factory):
    """Make an interpreter into one that has the corpus's libraries, in the versions that this one has.

    All processes that run tests share what one of them has made.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder

    def make(python: str) -> str:
        made = folder / f"libraries{python.replace(os.sep, '-')}"
        with (folder / f"{made.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                install(python, made)
        ready = made / "bin" / "python"
        if not (made / "ready").exists():
            pytest.skip(f"the corpus's libraries cannot be installed for {python}")
        return str(ready)

    return make


def install(python: str, folder: Path) -> None:
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True, capture_output=True)
    wanted = [f"{name}=={version(name.partition('[')[0])}" for name in LIBRARIES]
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet"]
    if (
        subprocess.run(
            [*pip, "--no-compile", "--only-binary", ":all:", *wanted], check=False, capture_output=True
        ).returncode
        == 0
    ):
        (folder / "ready").touch()


SAMPLE = [case for case in CASES if not case.name.startswith("aiobotocore")][::5]
"""Cases for another Python than this one. The workflows run all cases on every version."""


def on_another(rows, name):
    """Return parameters that run each row on the newest of the other Pythons; `name` returns a row's id."""
    return [
        pytest.param(python, *row, marks=pytest.mark.corpus, id=f"{python}-{name(row)}")
        for python in OTHERS[-1:]
        for row in rows
    ]


@pytest.mark.parametrize(
    ("python", "case"), on_another([(case,) for case in SAMPLE], lambda row: case_id(row[0]))
)
async def test_other_python_versions_give_the_same_verdict(
    laboratory, corpus, environment, with_libraries, python, case
):
    report = await laboratory.examine(
        Experiment(
            handler=f"{case.name}.handler",
            events=case.events,
            environment=environment,
            path=corpus,
            python=with_libraries(python),
            timeout=30,
        )
    )
    check_report(report, case, corpus)


@pytest.mark.parametrize("python", OTHERS)
@pytest.mark.parametrize("case", [case for case in CASES if case.name.startswith("error")], ids=case_id)
async def test_swallowed_errors_are_found_by_monitoring_too(laboratory, corpus, python, case):
    report = await laboratory.examine(
        Experiment(handler=f"{case.name}.handler", events=case.events, path=corpus, python=python)
    )
    check_report(report, case, corpus)
    is_found = any("caught" in finding.cause or "swallow" in finding.cause for finding in report.findings)
    assert is_found == (case.verdict == "masked")


@pytest.mark.parametrize(
    ("python", "name", "verdict", "service"),
    [*((None, *row) for row in ON_UVLOOP), *on_another(ON_UVLOOP[::3], "-".join)],
)
async def test_uvloop_does_not_change_the_verdict(
    laboratory, corpus, handlers, uvloop_environment, with_libraries, python, name, verdict
):
    report = await laboratory.examine(
        Experiment(
            handler="on_uvloop.handler",
            events=COLD_ONLY,
            environment=uvloop_environment | {"CORPUS": str(corpus), "HANDLER": name},
            path=handlers,
            python=python and with_libraries(python),
            timeout=30,
        )
    )
    assert report.verdict == verdict


@pytest.fixture
def uvloop_environment(request, service):
    pytest.importorskip("uvloop")
    return request.getfixturevalue(service)


@pytest.mark.parametrize(
    "name",
    [
        "asyncpg_connection",
        "engine_per_loop",
        "fire_and_forget",
        "httpx_shared",
        "lock_contended",
        "streams_shared",
    ],
)
async def test_the_census_does_not_change_outcomes(laboratory, corpus, http, postgres, name):
    def told(report):
        return [(one.outcome, one.error_type, one.response) for one in report.invocations]

    reports = [
        await laboratory.examine(
            Experiment(
                handler=f"{name}.handler",
                events=[{}],
                environment={**os.environ, **http, **postgres},
                path=corpus,
                timeout=30,
                census=census,
            )
        )
        for census in (True, False)
    ]
    assert told(reports[0]) == told(reports[1])
    assert reports[1].leftovers == []
