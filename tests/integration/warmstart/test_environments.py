"""How many environments an experiment starts: the one with garbage collection may have nothing to add."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ticketctl.warmstart.runner.experiment import Experiment
from ticketctl.warmstart.runner.lab import Laboratory

HANDLER = """
import os, socket

KEPT = []

def handler(event, context):
    with open("processes", "a") as file:
        print(os.getpid(), file=file)
    if event["leaks"]:
        KEPT.append(socket.create_connection(("127.0.0.1", event["port"])))
"""


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of a socket that lets connections wait."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one.getsockname()[1]


@pytest.mark.parametrize(
    ("leaks", "skip_gc_if_clean", "processes"), [(False, True, 1), (True, True, 2), (False, False, 2)]
)
async def test_the_second_environment_runs_unless_nothing_is_left_that_a_collection_closes(
    laboratory: Laboratory,
    listener: int,
    tmp_path: Path,
    *,
    leaks: bool,
    skip_gc_if_clean: bool,
    processes: int,
) -> None:
    (tmp_path / "leaver.py").write_text(HANDLER)
    report = await laboratory.examine(
        Experiment(
            handler="leaver.handler",
            events=[{"leaks": leaks, "port": listener}],
            path=tmp_path,
            times=3,
            max_times=3,
            skip_gc_if_clean=skip_gc_if_clean,
        )
    )
    assert len(set((tmp_path / "processes").read_text().split())) == processes
    assert report.connections_gc == ([1, 2, 3] if leaks else [0, 0, 0])
