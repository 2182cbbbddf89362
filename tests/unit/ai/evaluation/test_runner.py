import asyncio
from dataclasses import replace

import pytest

from ticketctl.ai.evaluation.dataset import LabeledText
from ticketctl.ai.evaluation.runner import classify_dataset
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.errors import ProviderError

SAMPLES = [LabeledText(f"I forgot password {number}", "login") for number in range(6)]


class Failing(OfflineProvider):
    """Fails at the third request and completes the first only afterwards; the second response is degraded."""

    def __init__(self):
        super().__init__(default_taxonomy())
        self.requests = 0
        self.failed = asyncio.Event()

    async def classify(self, ticket):
        self.requests += 1
        number = self.requests
        if number == 3:
            self.failed.set()
            raise ProviderError("the budget is spent")
        if number == 1:
            await self.failed.wait()
        answer = await super().classify(ticket)
        return replace(answer, output=replace(answer.output, degraded=number == 2), input_tokens=number)


async def test_after_a_failure_running_requests_complete_and_no_new_ones_start():
    provider, done = Failing(), []
    trials = await classify_dataset(provider, SAMPLES, max_concurrency=3, on_progress=lambda: done.append(1))
    assert [p.text for p in trials.predictions] == [s.text for s in SAMPLES[:2]]
    assert str(trials.stopped) == "the budget is spent"
    assert (provider.requests, len(done), trials.input_tokens, trials.degraded) == (3, 2, 3, 1)


async def test_a_bug_is_raised_unchanged():
    class Broken(OfflineProvider):
        async def classify(self, ticket):
            raise ZeroDivisionError(ticket.id)

    with pytest.raises(ZeroDivisionError):
        await classify_dataset(Broken(default_taxonomy()), SAMPLES)
