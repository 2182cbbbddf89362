"""Files below /tmp that the handler's process writes. On Lambda, /tmp outlives an invocation, and is limited."""

import contextlib
import os
import stat
from types import FrameType
from typing import Any

from .audit_events import subscribe
from .user_code import UserCode, walk_stack

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
BLOCK = 4096
"""Bytes in which file systems give out space: an empty file takes one, and a log of a few bytes a call takes no more."""


class TmpFiles:
    """Records which files and folders below /tmp this process creates, and the user's lines that do it.

    Deleted ones are dropped: a recorder that keeps every name would itself be what grows.
    """

    def __init__(self, user_code: UserCode) -> None:
        self._user_code = user_code
        folders = {"/tmp", os.environ.get("TMPDIR") or "/tmp"}  # noqa: S108 Lambda's folder for temporary files
        self._roots = tuple(f"{os.path.realpath(folder)}{os.sep}" for folder in folders)
        self._lines: dict[str, str | None] = {}
        self._new: dict[str, str | None] = {}
        self._created: set[str] | None = None
        subscribe(("open", "os.mkdir", "sqlite3.connect", "os.rename"), self._record)

    def size(self) -> int:
        """Return the space of all recorded files and folders that still exist, in bytes."""
        for path in [path for path in self._lines if not os.path.lexists(path)]:
            del self._lines[path]
        return sum(map(self._size, list(self._lines)))

    def take(self) -> dict[str, str | None]:
        """Return what was written since the last call, deleted files included."""
        new, self._new = self._new, {}
        return new

    def biggest_line(self) -> str | None:
        """Return the user's line whose files take the most space."""
        sizes: dict[str, int] = {}
        for path, line in list(self._lines.items()):
            if line:
                sizes[line] = sizes.get(line, 0) + self._size(path)
        return max(sizes, key=lambda line: sizes[line], default=None)

    def mark(self) -> None:
        """Remember the files that are created from now on."""
        self._created = set()

    def delete_marked(self) -> None:
        """Delete the files that were created since `mark`."""
        for path in self._created or ():
            with contextlib.suppress(OSError):  # a folder, or deleted already
                os.unlink(path)  # noqa: PTH108 pathlib costs its import
        self._created = None

    def _record(self, event: str, arguments: tuple[Any, ...], frame: FrameType) -> None:
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
            return
        path: Any = arguments[1] if event == "os.rename" else arguments[0]
        if isinstance(path, bytes):
            path = path.decode(errors="surrogateescape")
        if not isinstance(path, str):
            return
        path = os.path.realpath(path)
        if path.startswith(self._roots):
            line = self._user_code.line(walk_stack(frame))
            self._lines.setdefault(path, line)
            self._new.setdefault(path, line)
            # the event comes before the file is opened
            if self._created is not None and not os.path.lexists(path):
                self._created.add(path)

    def _size(self, path: str) -> int:
        """Return the space of a file, or of a folder with the files that the process did not create one by one."""
        try:
            status = os.lstat(path)
            if not stat.S_ISDIR(status.st_mode):
                return _round_up(status.st_size)
            with os.scandir(path) as entries:
                return BLOCK + sum(
                    _round_up(entry.stat(follow_symlinks=False).st_size)
                    for entry in entries
                    if entry.is_file() and entry.path not in self._lines
                )
        except OSError:  # deleted
            return 0


def _round_up(size: int) -> int:
    return max(BLOCK, -(-size // BLOCK) * BLOCK)
