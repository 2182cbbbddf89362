"""Faults at named points, and a journal of what was asked, answered, saved and finished.

Everything is in a folder that the processes of one run share: `plan.json` says which hits of which point end
the process that makes them, `journal` has one JSON object a line, `hits-POINT` one byte a hit.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

FOLDER = "CHAOS_FOLDER"

CHILD_POINTS = (
    "before-claim",
    "after-claim",
    "before-classify",
    "after-classify",
    "after-save-classify",
    "before-extract",
    "after-extract",
    "after-save-extract",
    "before-respond",
    "after-respond",
    "before-finish",
    "after-finish",
    "before-release",
    "after-release",
    "before-answer",
)
"""Every await of the worker, before and after."""
PARENT_POINTS = (
    "after-receive",
    "before-delete",
    "after-delete",
    "before-queue-release",
    "after-queue-release",
)
"""Every await of the event source mapping on its queue."""


class Sabotage:
    """The faults and the journal of one process."""

    def __init__(self) -> None:
        self._folder = Path(os.environ[FOLDER])
        self.plan: dict[str, Any] = json.loads((self._folder / "plan.json").read_text("utf-8"))

    def at(self, point: str, ticket_id: int | None = None) -> None:
        """Kill this process if the plan lists this hit of the point."""
        if self._hit(point) in self.plan.get("kill", {}).get(point, ()):
            self.note("killed", point=point, ticket=ticket_id)
            os.kill(os.getpid(), signal.SIGKILL)

    def once(self, name: str) -> bool:
        """Return whether this is the first call with this name in any process."""
        return self._hit(name) == 1

    def note(self, what: str, **details: Any) -> None:
        """Append one line to the journal, in one write so that the lines of several processes do not mix."""
        self._append("journal", json.dumps({"what": what, "pid": os.getpid(), **details}) + "\n")

    def _hit(self, name: str) -> int:
        return self._append(f"hits-{name}", ".")

    def _append(self, name: str, text: str) -> int:
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, text.encode())
            # the position after this write counts the hits: with O_APPEND the kernel seeks and writes atomically
            return os.lseek(descriptor, 0, os.SEEK_CUR)
        finally:
            os.close(descriptor)


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """Return the journal of all processes, in order."""
    path = folder / "journal"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
