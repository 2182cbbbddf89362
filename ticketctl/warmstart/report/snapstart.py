"""Findings about SnapStart: state in the snapshot that every restored environment shares.

Source: "Handling uniqueness with Lambda SnapStart" and "Lambda SnapStart runtime hooks" in the AWS Lambda developer
guide.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ticketctl.warmstart.report import source_locator
from ticketctl.warmstart.report.model import Finding

AFTER_RESTORE = "in a hook (snapshot_restore_py.register_after_restore)"


@dataclass(slots=True)
class Snapshot:
    """One environment's snapshot.

    held: descriptions of the connections that were open in it.
    before: the variables of the handler's modules when the snapshot was taken.
    after: the same variables after it was restored.
    """

    held: Sequence[str] = ()
    before: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    after: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def is_kept(self, name: str) -> bool:
        """Return whether a variable still has its value of the snapshot after the restore."""
        return name in self.after and bool(self.after[name]["digest"] == self.before[name]["digest"])


SHARED_STATE_KINDS = frozenset({"snapshot-random", "snapshot-unique", "snapshot-secret"})
"""Kinds of findings that make the verdict "unsafe"; a lost connection decides by what the invocations do."""


def find_shared_state(one: Snapshot, other: Snapshot) -> Iterator[Finding]:
    """Yield what is wrong with a snapshot; `other` comes from a second initialization of the same handler.

    A variable that differs between two initializations is meant to be unique; it is wrong to share it.
    """
    if one.held:
        yield Finding(
            kind="snapshot-connection",
            cause=f"{', '.join(one.held)} was open when the snapshot was taken. Every restored environment finds it dead: "
            "the server has closed it, or does not know the copy.",
            fix=f"Connect in the handler on first use, or {AFTER_RESTORE}; close what the import opened before the "
            "snapshot is taken (register_before_snapshot).",
        )
    unique = [name for name in one.before if one.is_kept(name) and _is_different(name, one, other)]
    if generators := [name for name in unique if one.before[name]["random"]]:
        yield Finding(
            kind="snapshot-random",
            cause=f"The state of the pseudorandom generators of {_list_names(generators, one)} is part of the snapshot: every "
            "restored environment draws the same numbers.",
            fix=f"Use secrets or random.SystemRandom, or seed {AFTER_RESTORE}.",
        )
    if values := [
        name for name in unique if not one.before[name]["random"] and not one.before[name]["secret"]
    ]:
        yield Finding(
            kind="snapshot-unique",
            cause=f"Each import creates a new value of {_list_names(values, one)}; under SnapStart, all environments share the "
            "value in the snapshot.",
            fix=f"Create it in the handler, or {AFTER_RESTORE}.",
        )
    if secrets := [name for name, value in one.before.items() if value["secret"] and one.is_kept(name)]:
        yield Finding(
            kind="snapshot-secret",
            cause=f"The import read {_list_names(secrets, one)}, which is therefore part of the snapshot: environments go on using "
            "it after it is changed or revoked.",
            fix=f"Read it in the handler, with a time to live, or {AFTER_RESTORE}.",
        )


def _list_names(names: Sequence[str], snapshot: Snapshot) -> str:
    """Return the variables in words, each with the line that gives it its value."""
    return ", ".join(f"{name}{_locate(snapshot.before[name])}" for name in names)


def _locate(info: Mapping[str, Any]) -> str:
    file, names = info["file"], tuple(info["names"])
    line = source_locator.find_assignment(file, names) or source_locator.find_import(file, names[-1])
    return f" ({info['shown']}:{line})" if line else ""


def _is_different(name: str, one: Snapshot, other: Snapshot) -> bool:
    return name in other.before and other.before[name]["digest"] != one.before[name]["digest"]
