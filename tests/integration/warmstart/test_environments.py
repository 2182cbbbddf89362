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
    if event["leaves"] == "nothing":
        return
    connection = socket.create_connection(("127.0.0.1", event["port"]))
    if event["leaves"] == "a kept connection":
        KEPT.append(connection)
    else:
        garbage = [connection]
        garbage.append(garbage)
"""


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of a socket that lets connections wait."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one.getsockname()[1]


@pytest.mark.parametrize(
    ("leaves", "skip", "processes", "counts"),
    [
        ("nothing", True, 1, [0, 0, 0]),
        ("nothing", False, 2, [0, 0, 0]),
        ("a kept connection", True, 1, [1, 2, 3]),
        ("a kept connection", False, 2, [1, 2, 3]),
        ("garbage", True, 2, [1, 2, 3]),
    ],
)
async def test_the_second_environment_runs_unless_a_collection_would_close_nothing(
    laboratory: Laboratory,
    listener: int,
    tmp_path: Path,
    *,
    leaves: str,
    skip: bool,
    processes: int,
    counts: list[int],
) -> None:
    (tmp_path / "leaver.py").write_text(HANDLER)
    report = await laboratory.examine(
        Experiment(
            handler="leaver.handler",
            events=[{"leaves": leaves, "port": listener}],
            path=tmp_path,
            times=3,
            max_times=3,
            skip_gc_if_known=skip,
        )
    )
    assert len(set((tmp_path / "processes").read_text().split())) == processes
    assert report.connections_gc == counts
