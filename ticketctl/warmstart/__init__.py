"""The warm-start laboratory: invokes any handler again and again in one process and reports what goes wrong.

It knows nothing of tickets. The names in `__all__` are public and stable; every other name below this package is
internal and may change in any release.

    from ticketctl.warmstart import Experiment, run_experiment

    report = run_experiment(Experiment(handler="app:handler", events=[{}], times=5))
    report.assert_safe()

In a test, annotate the fixture `warm_starts` with `WarmStarts`. In code that already has an event loop, use
`Laboratory`, which `run_experiment` wraps.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ticketctl.warmstart.pytest_plugin import WarmStarts
    from ticketctl.warmstart.report.model import (
        Finding,
        Invocation,
        InvocationOutcome,
        Leftover,
        Record,
        Report,
        Verdict,
    )
    from ticketctl.warmstart.runner.experiment import Experiment, Freeze, Runtime
    from ticketctl.warmstart.runner.lab import Laboratory
    from ticketctl.warmstart.runner.process import LaboratoryError
    from ticketctl.warmstart.runner.sync import run_experiment

__all__ = [
    "Experiment",
    "Finding",
    "Freeze",
    "Invocation",
    "InvocationOutcome",
    "Laboratory",
    "LaboratoryError",
    "Leftover",
    "Record",
    "Report",
    "Runtime",
    "Verdict",
    "WarmStarts",
    "run_experiment",
]

# Type checkers must not see __getattr__: it would make every misspelt import an Any instead of an error.
if not TYPE_CHECKING:
    _MODULES = {
        "Experiment": "runner.experiment",
        "Finding": "report.model",
        "Freeze": "runner.experiment",
        "Invocation": "report.model",
        "InvocationOutcome": "report.model",
        "Laboratory": "runner.lab",
        "LaboratoryError": "runner.process",
        "Leftover": "report.model",
        "Record": "report.model",
        "Report": "report.model",
        "Runtime": "runner.experiment",
        "Verdict": "report.model",
        "WarmStarts": "pytest_plugin",
        "run_experiment": "runner.sync",
    }

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used: pytest imports this package in every run."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
