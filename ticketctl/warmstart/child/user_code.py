"""Which files are the user's own code, what they are called, and which line of them is on a stack."""

import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from .exceptions import frames
from .ipc import DefinitionInfo
from .referrers import Path as ReferencePath

HERE = str(Path(__file__).parent)
INSTALLED = ("site-packages", "dist-packages")
STANDARD_LIBRARY = os.path.dirname(os.__file__)  # noqa: PTH120 as the interpreter spells it

Place = tuple[str, int]
"""A file's absolute name, and a line in it."""


class UserCode:
    """Tells the user's own files from all others, and names them relative to the task root.

    Own are the handler's package, wherever it is installed, and every file that neither belongs to Python nor was
    installed.
    """

    def __init__(self, handler_module: str, task_root: str | None) -> None:
        self._roots = [
            f"{root}{os.sep}" if Path(root).is_dir() else root for root in _package_roots(handler_module)
        ]
        self._base = task_root or str(Path.cwd())
        self._vendored = tuple(_vendored_packages(Path(self._base)))
        self._names: dict[str, str | None] = {}

    def name(self, filename: str) -> str | None:
        """Return the file's name relative to the task root; None where it is not the user's own."""
        if filename not in self._names:
            self._names[filename] = self._find_name(filename)
        return self._names[filename]

    def line(self, places: Iterable[Place]) -> str | None:
        """Return the first of the places that is in the user's own code, as `file:line`."""
        return next((f"{name}:{line}" for file, line in places if (name := self.name(file))), None)

    def line_of(self, error: BaseException) -> str | None:
        """Return the innermost line of the user's code in an exception's traceback."""
        return self.line(frames(error))

    def definition(self, path: ReferencePath) -> DefinitionInfo | None:
        """Return what keeps the end of a path of references: an attribute of an instance of the user's classes.

        Where there is none, the variable at the start of the path: a module's, or a class's attribute.
        """
        if not path:
            return None
        for index in range(len(path) - 2, 0, -1):
            if attribute := self._attribute(path[index].object, path[index + 1 : index + 3]):
                return attribute
        root = path[0].object
        module = sys.modules.get(root.__module__) if isinstance(root, type) else root
        names = root.__qualname__.split(".") if isinstance(root, type) else []
        names += [step.name.lstrip(".") for step in path[1:] if step.name.startswith(".")][:1]
        return self.name_in_file(getattr(module, "__file__", None) or "", names)

    def _attribute(self, holder: Any, below: ReferencePath) -> DefinitionInfo | None:
        """Return the attribute of an instance with which a path goes on, if the user's class assigns it."""
        kind = type(holder)
        step = next((step.name for step in below if step.name), "")
        file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
        if not step.startswith(".") or self.name(file) is None or not _assigns(kind, step[1:]):
            return None
        return self.name_in_file(file, [*kind.__qualname__.split("."), step[1:]])

    def name_in_file(self, file: str, names: list[str]) -> DefinitionInfo | None:
        """Return a name in a file; None where the file is not the user's own."""
        shown = self.name(file)
        return {"file": file, "shown": shown, "names": names} if shown else None

    def _find_name(self, filename: str) -> str | None:
        if filename.startswith((HERE, "<", *self._vendored)) or not filename:
            return None
        inside = next(
            (filename.removeprefix(root) for root in self._roots if filename.startswith(root)), None
        )
        if inside is None and filename.startswith(STANDARD_LIBRARY):
            return None
        # compiled modules name sources that do not exist here, such as asyncpg/protocol/protocol.pyx
        if not filename.startswith(os.sep) and not Path(filename).is_file():
            return None
        if any(folder in (filename if inside is None else inside) for folder in INSTALLED):
            return None
        return filename.removeprefix(f"{self._base}{os.sep}")


def _assigns(kind: type, attribute: str) -> bool:
    """Whether a class statement outside of functions names the attribute: in a method, or as a field."""
    codes = (getattr(value, "__code__", None) for value in vars(kind).values())
    return "<locals>" not in kind.__qualname__ and (
        attribute in vars(kind).get("__annotations__", ())
        or any(attribute in code.co_names for code in codes if code)
    )


def _vendored_packages(folder: Path) -> Iterator[str]:
    """Yield what pip installed beside the handler, as deployment packages have it, according to pip's records."""
    for name in os.listdir(folder):  # noqa: PTH208 every environment does this, and pathlib's glob takes milliseconds
        record = folder / name / "RECORD"
        if name.endswith(".dist-info") and record.is_file():
            for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
                yield str(folder / line.partition(",")[0].partition("/")[0])


def _package_roots(module: str) -> list[str]:
    """Return the handler's package, or the folder of its module; for an installed module, its file alone."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None:
        return []
    if spec.submodule_search_locations:
        return list(spec.submodule_search_locations)
    file = Path(spec.origin or "")
    return [str(file)] if any(folder in file.parts for folder in INSTALLED) else [str(file.parent)]


def walk_stack(frame: FrameType | None) -> Iterator[Place]:
    """Yield the places on a stack, innermost first."""
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


def walk_all_threads() -> Iterator[Place]:
    """Yield the places on the stacks of all threads."""
    for frame in sys._current_frames().values():  # noqa: SLF001 there is no other way to other threads' stacks
        yield from walk_stack(frame)


def coroutine_name(coroutine: Any) -> str:
    """Return the qualified name of a coroutine's function; of a compiled coroutine perhaps only its type's."""
    return str(getattr(coroutine, "__qualname__", type(coroutine).__name__))


def await_chain(coroutine: Any) -> list[Place]:
    """Return where a coroutine or asynchronous generator is suspended, and what it awaits, innermost first."""
    places: list[Place] = []
    while (frame := getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)) is not None:
        places.append((frame.f_code.co_filename, frame.f_lineno))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    return places[::-1]
