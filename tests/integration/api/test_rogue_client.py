"""An ordinary client is served while a hostile one attacks, and the server's memory stays bounded."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.api.rogue_client import ATTACKS
from tests.program import COMMAND
from tests.serving import RunningServer, read_address

SECONDS = 4.0
MAX_LATENCY = 1.0
MAX_SLOWDOWN = 10
"""How much slower than before the attack an ordinary request may be on a machine that is busy with other work."""
MAX_MEMORY = 200_000_000
LOG_LINES = 12
DESCRIPTORS = 1024
# `ulimit` stands for what a service manager sets
LIMITED = ["sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh", *COMMAND, "serve", "--port", "0"]


class Victim(NamedTuple):
    """A server under attack: its process, its address and its log."""

    process: "subprocess.Popen[str]"
    server: RunningServer
    log: Path

    @property
    def peak_memory(self) -> int:
        """The most physical memory that the process had, in bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError


@pytest.fixture(scope="module")
def victim(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A server that may open 1024 files; the attacker knows its token."""
    if not sys.platform.startswith("linux"):
        pytest.skip("/proc tells a process's memory on Linux only")
    environment = os.environ | {
        "TICKETCTL_DATABASE_URL": shared_database_url,
        # the attacker has the ordinary client's address and token: a rate limit would stop both
        "TICKETCTL_API_RATE": "1000000",
    }
    log = tmp_path_factory.mktemp("rogue") / "log"
    with (
        log.open("w") as file,
        subprocess.Popen(LIMITED, env=environment, stdout=subprocess.PIPE, stderr=file, text=True) as process,
    ):
        try:
            assert process.stdout
            yield Victim(process, read_address(process.stdout), log)
        finally:
            process.terminate()
    assert process.returncode == 0


def measure_latencies(victim: Victim, seconds: float) -> list[float]:
    """Send ordinary requests, each on a new connection, and return how long each took."""
    latencies = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        response = httpx.get(f"{victim.server.url}/tickets", headers=victim.server.headers, timeout=30)
        latencies.append(time.monotonic() - begin)
        assert response.status_code == 200
        time.sleep(0.05)
    return latencies


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_ordinary_request_is_answered_within_a_second(
    victim: Victim, attack: str, record_property: Callable[[str, object], None]
) -> None:
    port = str(urlsplit(victim.server.url).port)
    rogue = Path(__file__).with_name("rogue_client.py")
    command = [sys.executable, rogue, port, victim.server.token, attack, str(SECONDS + 2)]
    usual = max(measure_latencies(victim, 0.5))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as attacker:
        try:
            assert attacker.stdout
            assert attacker.stdout.readline() == "attacking\n"
            latencies = measure_latencies(victim, SECONDS)
        finally:
            attacker.terminate()
    figures = (
        usual,
        max(latencies),
        len(latencies),
        victim.peak_memory,
        len(victim.log.read_text().splitlines()),
    )
    record_property("rogue client", figures)
    if os.getloadavg()[0] <= 2 * (
        os.cpu_count() or 1
    ):  # else other processes decide how long a request takes
        assert max(latencies) < max(MAX_LATENCY, MAX_SLOWDOWN * usual), figures
    assert victim.peak_memory < MAX_MEMORY, figures
    log = victim.log.read_text()
    assert "Traceback" not in log
    assert len(log.splitlines()) <= LOG_LINES
