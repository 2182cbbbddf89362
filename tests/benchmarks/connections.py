"""Server connections against time: `python -m tests.benchmarks.connections`, from the root of the checkout.

Two hundred execution environments get a ticket each, and wait for an AI provider twice: classify and extract at once,
then respond. Afterwards they stay, warm and idle. Prints a table: what the server held at each moment, by pool.

    python -m tests.benchmarks.connections                        they start within 8 s, a call takes 8 s
    python -m tests.benchmarks.connections --within 2 --call 3    a burst

It needs the extra `embedded`, and for `pgbouncer` the program of that name.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from tests.benchmarks.bench import Bench, query
from tests.pgbouncer import installed, pgbouncer, through
from tests.postgres import postgres
from ticketctl import event_loops
from ticketctl.postgres.address import Address
from ticketctl.postgres.embedded import EmbeddedServer
from ticketctl.postgres.embedded_launcher import PROGRAMS, find_installation
from ticketctl.runtime import Database, upgrade
from ticketctl.settings import Settings

ENVIRONMENTS = 200
PROCESSES = 4
IDLE = 2.0
"""Seconds that they are watched for after the last answer."""
STEP = 1.0
"""Seconds between two rows of the table."""
PORT = 5432
APPLICATION = "ticketctl-connections"
_HELD = "select count(*) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()"

POOLS: Mapping[str, str] = MappingProxyType(
    {
        "null": "null",
        "queue-pre-ping": "runner + queue-pre-ping",
        "pgbouncer": "pgbouncer, 20 to the server",
    }
)
"""Pools, and how the table calls them. In one process all environments share a loop, which lives on."""


def main() -> None:
    """Measure one pool after the other, and print them side by side."""
    load = _load()
    with tempfile.TemporaryDirectory(prefix="ticketctl-connections-") as name, ExitStack() as servers:
        folder = Path(name)
        folder.chmod(0o755)
        server = servers.enter_context(_server(folder))
        urls: dict[str, Callable[[str], str]] = {"null": str, "queue-pre-ping": str}
        if installed():
            port = servers.enter_context(pgbouncer(server))
            urls["pgbouncer"] = lambda url: through(port, url)
        measured = {pool: _measured(server, pool, front, load) for pool, front in urls.items()}
    _print(measured)


class _Load(NamedTuple):
    """Seconds within which all environments start, and that a call of the provider takes."""

    within: float
    call: float


def _load() -> _Load:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.connections")
    parser.add_argument("--within", type=float, default=8, help="seconds in which all start (default: 8)")
    parser.add_argument("--call", type=float, default=8, help="seconds of an AI call (default: 8)")
    return _Load(**vars(parser.parse_args()))


@contextmanager
def _server(home: Path) -> Iterator[str]:
    """The embedded server's programs and data, with room for a connection of every environment."""
    with EmbeddedServer(home).use():
        pass
    installation = next(home.glob("server-*"), find_installation())
    options = {"port": PORT, "listen_addresses": "", "unix_socket_directories": home / "socket"}
    with postgres(installation / PROGRAMS, home / "postgres", max_connections=300, **options) as url:
        yield url


def _measured(
    server: str, pool: str, front: Callable[[str], str], load: _Load
) -> tuple[list[int], Counter[str]]:
    """Connections at each step, and what became of the environments."""
    name = f"connections_{pool.replace('-', '_')}"
    query(server, f"create database {name}")
    url = Address.parse(server).with_database(name).dsn
    event_loops.run(upgrade(Database(Settings(database_url=url), embedded=False)))
    tickets = list(islice(Bench({}, url).tickets(), ENVIRONMENTS))
    command = [sys.executable, "-m", "tests.benchmarks.children.slow_provider"]
    arguments = [pool, front(url), APPLICATION, str(load.call), str(load.within)]
    outcomes: Counter[str] = Counter()
    with ExitStack() as children:
        started = [
            children.enter_context(
                subprocess.Popen(
                    [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(PROCESSES)
        ]
        for number, child in enumerate(started):
            child.stdin.write(json.dumps(tickets[number::PROCESSES]) + "\n")
            child.stdin.flush()
        held = _sampled(url, name, load.within + 2 * load.call + IDLE)
        for child in started:
            outcomes += Counter(json.loads(child.stdout.readline()))
            child.stdin.close()
    return held, outcomes


def _sampled(url: str, name: str, seconds: float) -> list[int]:
    """The most that was held within each step; time begins with the first connection."""
    while not _held(url, name):
        time.sleep(0.01)
    started, held = time.monotonic(), []
    while (elapsed := time.monotonic() - started) < seconds:
        step = int(elapsed / STEP)
        held += [0] * (step + 1 - len(held))
        held[step] = max(held[step], _held(url, name))
        time.sleep(0.02)
    return held


def _held(url: str, name: str) -> int:
    (row,) = query(url, _HELD, name)
    return int(row["count"])


def _print(measured: Mapping[str, tuple[list[int], Counter[str]]]) -> None:
    titles = [POOLS[pool] for pool in measured]
    widths = [len(title) + 3 for title in titles]
    rows = [["seconds", *titles]]
    steps = max(len(held) for held, _ in measured.values())
    for step in range(steps):
        cells = [held[step] if step < len(held) else 0 for held, _ in measured.values()]
        rows.append([f"{step * STEP:g}", *map(str, cells)])
    rows.append(["most", *(str(max(held)) for held, _ in measured.values())])
    rows.append(["mean", *(f"{sum(held) / len(held):.1f}" for held, _ in measured.values())])
    rows.append(["ok", *(str(outcomes["ok"]) for _, outcomes in measured.values())])
    for first, *cells in rows:
        line = "".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        sys.stdout.write(f"{first:<8}{line}\n")
    for pool, (_, outcomes) in measured.items():
        for outcome, number in outcomes.items():
            if outcome != "ok":
                sys.stdout.write(f"{pool}: {number} x {outcome}\n")


if __name__ == "__main__":
    main()
