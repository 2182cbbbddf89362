"""Experiments for callers that are not asynchronous."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from ticketctl.warmstart.report.model import Report
from ticketctl.warmstart.runner.experiment import Experiment
from ticketctl.warmstart.runner.lab import Laboratory


def run_experiment(experiment: Experiment) -> Report:
    """Run one experiment and return its report.

    It runs in a thread of its own, because the caller's thread may already run an event loop, as tests of
    pytest-asyncio do.

    Raises:
        LaboratoryError: The interpreter cannot be started. Errors of the handler are in the report.
    """

    async def run() -> Report:
        async with Laboratory() as laboratory:
            return await laboratory.examine(experiment)

    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(lambda: asyncio.run(run())).result()
