"""The batch size follows the queue within its limits."""

import pytest

from ticketctl.queues.batch_size import BatchSize
from ticketctl.settings import Settings


def sizes_after(settings: Settings, *batches: tuple[int, int, float]) -> list[int]:
    """Return the limit at the start and after each batch of (done, returned, seconds)."""
    size = BatchSize(settings)
    limits = [size.limit]
    for done, returned, seconds in batches:
        size.adjust(done=done, returned=returned, seconds=seconds)
        limits.append(size.limit)
    return limits


def test_full_fast_batches_grow_up_to_the_largest_size() -> None:
    batches = [(10, 0, 0.1), (20, 0, 0.1), (40, 0, 0.2), (80, 0, 0.3), (100, 0, 0.4)]
    assert sizes_after(Settings(), *batches) == [10, 20, 40, 80, 100, 100]


@pytest.mark.parametrize(
    ("batch", "size"),
    [
        ((19, 0, 0.1), 10),  # the queue is nearly empty
        ((19, 1, 0.1), 10),  # one message failed
        ((0, 20, 0.1), 10),  # the invocation failed
        ((20, 0, 3.0), 10),  # slow: half of it
    ],
)
def test_any_other_batch_makes_the_next_one_smaller(batch: tuple[int, int, float], size: int) -> None:
    assert sizes_after(Settings(), (10, 0, 0.1), batch)[-1] == size


@pytest.mark.parametrize(
    "settings",
    [
        Settings(batch_size=10),
        Settings(queue_url="https://sqs.eu-central-1.amazonaws.com/1/tickets"),
        Settings(ai_provider="openai"),
    ],
)
def test_a_chosen_size_a_paid_provider_and_sqs_keep_the_size(settings: Settings) -> None:
    assert sizes_after(settings, (10, 0, 0.1)) == [10, 10]
