import os

import pytest

from ticketctl.warmstart.runner import cpu_timeout
from ticketctl.warmstart.runner.cpu_timeout import CpuTimeout


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(cpu_timeout.time, "monotonic", lambda: now[0])
    return now


class WaitingTimeout(CpuTimeout):
    """A process that has waited for a CPU for `waited` seconds so far."""

    waited = 0.0

    def _waited(self):
        return self.waited


def test_time_without_a_cpu_does_not_count(clock):
    timeout = WaitingTimeout(1, 10)
    clock[0] += 12
    assert timeout.remaining() == -2
    timeout.waited = 5.0
    assert timeout.remaining() == 3


def test_waiting_from_before_the_request_does_not_count(clock):
    WaitingTimeout.waited = 50.0
    try:
        timeout = WaitingTimeout(1, 10)
        clock[0] += 12
        assert timeout.remaining() == -2
    finally:
        WaitingTimeout.waited = 0.0


def test_a_process_that_always_waits_times_out_at_last(clock):
    timeout = WaitingTimeout(1, 10)
    clock[0] += 101
    timeout.waited = 101.0
    assert timeout.remaining() <= 0


def test_an_unknown_process_has_its_wall_time():
    assert CpuTimeout(os.getpid(), 10).remaining() == pytest.approx(10, abs=1)
    assert CpuTimeout(2**30, 10).remaining() == pytest.approx(10, abs=1)
