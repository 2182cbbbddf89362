import pytest

from ticketctl.warmstart.report.memory_findings import find_memory_leaks
from ticketctl.warmstart.runner.memory_probe import Allocation, GrowingContainer, MemoryProbe

MB = 1024 * 1024
CALLS = 24


def probe(*, rss=0, traced=0, tmp=0, **options):
    """A probe in which memory grows by these bytes with each call."""

    def grow(gain):
        return [10 * MB + gain * call for call in range(CALLS)]

    return MemoryProbe(rss=grow(rss), traced=grow(traced), tmp=grow(tmp), **options)


def container(*lengths):
    return GrowingContainer(name="app.seen", type="list", line="app.py:3", lengths=list(lengths))


def kinds(one):
    return [finding.kind for finding in find_memory_leaks(one)]


def test_no_probe_and_flat_memory_have_no_finding():
    assert kinds(None) == kinds(probe()) == []


def test_a_container_that_grows_is_named_with_its_line():
    (finding,) = find_memory_leaks(probe(traced=100, containers=[container(1, 7, 13, 19, 25)]))
    assert finding.kind == "growing-container"
    assert "app.seen (list, at app.py:3)" in finding.cause
    assert "1, 7, 13, 19, 25" in finding.cause


def test_references_to_constants_are_no_leak():
    assert kinds(probe(traced=8, containers=[container(1, 7, 13, 19, 25)])) == []


@pytest.mark.parametrize(
    ("gains", "kind"), [({"traced": 20_000}, "memory"), ({"rss": 100_000}, "memory"), ({"tmp": 1}, "tmp")]
)
def test_steady_growth_is_a_leak(gains, kind):
    assert kinds(probe(**gains)) == [kind]


def test_memory_names_the_line_that_allocates_most():
    (finding,) = find_memory_leaks(probe(traced=MB, allocations=[Allocation(line="app.py:8", bytes=MB)]))
    assert "1.0 MB" in finding.cause
    assert "app.py:8" in finding.cause


def test_memory_that_is_taken_once_is_no_leak():
    once = [10 * MB] * 8 + [90 * MB] * 16
    assert kinds(MemoryProbe(rss=once, traced=once, tmp=once)) == []


def test_too_few_calls_are_no_trend():
    series = [MB * call for call in range(10)]
    assert kinds(MemoryProbe(rss=series, traced=series, tmp=series)) == []
