"""The same verdicts on uvloop, on every Python that the machine has, and with or without the census."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ticketctl.warmstart.experiment import Experiment

COLD_ONLY = ({"ask": True, "tasks": 2}, {}, {}, {}, {})
STANDARD_LIBRARY = [
    ("executor", "safe"),
    ("fire_and_forget", "masked"),
    ("generator_left_open", "masked"),
    ("lock_contended", "broken"),
    ("lock_contended_once", "masked"),
    ("lock_uncontended", "safe"),
    ("loop_never_closed", "leaking"),
    ("streams_idle", "masked"),
    ("streams_per_loop", "safe"),
    ("streams_shared", "broken"),
    ("subprocess_left", "broken"),
    ("task_group", "safe"),
    ("thread_leak", "leaking"),
    ("unknown_socket", "masked"),
]
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
    """Interpreters from 3.11 on: those on the path, and those installed beside this one."""
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
    return list(found.values())


@pytest.mark.parametrize(("name", "verdict"), STANDARD_LIBRARY)
@pytest.mark.parametrize("python", other_pythons())
async def test_every_python_agrees(laboratory, corpus, http, python, name, verdict):
    report = await laboratory.examine(
        Experiment(
            handler=f"{name}.handler",
            events=COLD_ONLY,
            environment=http,
            path=corpus,
            python=python,
            timeout=30,
        )
    )
    assert report.verdict == verdict


@pytest.mark.parametrize(("name", "verdict", "service"), ON_UVLOOP)
async def test_uvloop_is_no_cure(laboratory, corpus, handlers, uvloop_environment, name, verdict):
    report = await laboratory.examine(
        Experiment(
            handler="on_uvloop.handler",
            events=COLD_ONLY,
            environment=uvloop_environment | {"CORPUS": str(corpus), "HANDLER": name},
            path=handlers,
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
async def test_the_census_changes_nothing(laboratory, corpus, http, postgres, name):
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
    assert reports[1].zombies == []
