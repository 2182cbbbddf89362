"""SnapStart as the laboratory sees it: what lies in a snapshot, and is then the same in every environment.

Source: "Handling uniqueness with Lambda SnapStart" and "Lambda SnapStart runtime hooks" in the AWS Lambda developer
guide.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ticketctl.warmstart.report.model import Finding

AFTER_RESTORE = "in a hook (snapshot_restore_py.register_after_restore)"


@dataclass(slots=True)
class Snapshot:
    """One environment's snapshot.

    `held`: the connections that were open in it, in words. `before` and `after`: the variables of the handler's
    modules when it was taken, and after it was restored.
    """

    held: Sequence[str] = ()
    before: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    after: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def kept(self, name: str) -> bool:
        """Whether a variable is after the restore what it was in the snapshot."""
        return name in self.after and bool(self.after[name]["digest"] == self.before[name]["digest"])


def findings(one: Snapshot, other: Snapshot) -> Iterator[Finding]:
    """Yield what is wrong with a snapshot; `other` is of a second initialization of the same handler.

    What differs between two initializations, and is not renewed after the restore, was meant to differ.
    """
    if one.held:
        yield Finding(
            kind="snapshot-connection",
            cause=f"{', '.join(one.held)} was open when the snapshot was taken. Each restored environment finds it dead: "
            "the far end has closed it long ago, or knows nothing of the copy.",
            fix=f"Connect in the handler, on first use, or {AFTER_RESTORE}; close before the snapshot what the import "
            "opened (register_before_snapshot).",
        )
    unique = [name for name in one.before if one.kept(name) and _differs(name, one, other)]
    if generators := [name for name in unique if one.before[name]["random"]]:
        yield Finding(
            kind="snapshot-random",
            cause=f"The pseudorandom numbers of {', '.join(generators)} start from the state that the import left: every "
            "restored environment draws the same ones.",
            fix=f"Use secrets or random.SystemRandom, or seed {AFTER_RESTORE}.",
        )
    if values := [
        name for name in unique if not one.before[name]["random"] and not one.before[name]["secret"]
    ]:
        yield Finding(
            kind="snapshot-unique",
            cause=f"Each import makes another {', '.join(values)}; under SnapStart all environments share the one of the "
            "snapshot.",
            fix=f"Make it in the handler, or {AFTER_RESTORE}.",
        )
    if secrets := [name for name, value in one.before.items() if value["secret"] and one.kept(name)]:
        yield Finding(
            kind="snapshot-secret",
            cause=f"{', '.join(secrets)} was read by the import, and lies in the snapshot: environments go on with it after "
            "it was changed or withdrawn.",
            fix=f"Read it in the handler, with a time to live, or {AFTER_RESTORE}.",
        )


def _differs(name: str, one: Snapshot, other: Snapshot) -> bool:
    return name in other.before and other.before[name]["digest"] != one.before[name]["digest"]
