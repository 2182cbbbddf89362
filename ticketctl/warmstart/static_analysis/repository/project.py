"""A folder of Python source: its files, how its imports resolve, and which modules a handler's import loads."""

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from ticketctl.warmstart.static_analysis.repository.dynamic_imports import ANY, list_patterns
from ticketctl.warmstart.static_analysis.repository.source import SourceModule
from ticketctl.warmstart.static_analysis.repository.vendored_packages import find_vendored, load_library_names

SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "build", "cdk.out", "dist", "dist-packages", "node_modules", "site-packages", "venv"}
)
TEST_FOLDERS = frozenset({"test", "tests"})
SOURCE_FOLDERS = ("src", "python", "lib", "app", "layer/python", "layers/python", "layers/common/python")
"""Folders that builds put on sys.path; "python" is where a Lambda layer keeps its packages."""


class HandlerNotFoundError(Exception):
    """The handler's module is not in the folder."""


class Project:
    """The Python files below a folder, parsed when they are needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = list(_list_files(folder))
        self._by_last_part: dict[str, list[tuple[tuple[str, ...], Path]]] = {}
        for file in self.files:
            if not is_test(folder, file):
                parts = _module_parts(file)
                self._by_last_part.setdefault(parts[-1], []).append((parts, file))
        self._modules: dict[Path, SourceModule] = {}
        self._known = set(self.files)
        self._folders = {parent for file in self.files for parent in file.parents}
        self._bases: dict[Path, list[Path]] = {}
        self._packages = self._list_packages()
        self._installed: dict[str, bool] = {}
        self._imported: dict[Path, list[Path]] = {}
        self.unresolved: dict[str, set[str]] = {}
        """Names that imports could not be resolved to, with the files that import them."""

    def load(self, path: Path) -> SourceModule:
        """Return the parsed module of a file."""
        if path not in self._modules:
            self._modules[path] = SourceModule(self.folder, path, self._resolve_name)
        return self._modules[path]

    def find_module(self, name: str, folders: Sequence[Path] = ()) -> Path | None:
        """Return the file of a handler's module: "app", "shop.orders" or "shop/orders".

        folders: where the file must be below, if it is below any of them; of several files, the shortest path.
        """
        suffix = tuple(name.replace("/", ".").strip(".").split("."))
        if not suffix[-1]:
            return None
        matches = [
            file for parts, file in self._by_last_part.get(suffix[-1], ()) if parts[-len(suffix) :] == suffix
        ]
        below = tuple(f"{folder}{os.sep}" for folder in folders)
        near = [file for file in matches if str(file).startswith(below)]
        exact = [base / Path(*suffix) for base in folders]
        candidates = [file for file in near if file.with_suffix("") in exact] or near or matches
        return min(candidates, key=lambda file: (len(file.parts), str(file)), default=None)

    def find_handler(self, handler: str) -> Path:
        """Return the file of "module:function" or "folder/module.function". Raises HandlerNotFoundError."""
        name = handler.partition(":")[0] if ":" in handler else handler.rpartition(".")[0]
        path = self.find_module(name) if name else None
        if path is None:
            raise HandlerNotFoundError(f"there is no module {name or handler!r} in the folder")
        return path

    def list_reachable(self, root: Path) -> list[SourceModule]:
        """Return the module of a file and all project modules that its import loads, in the order of their files."""
        reached: dict[Path, SourceModule] = {}
        waiting = [root]
        while waiting:
            path = waiting.pop()
            if path not in reached:
                reached[path] = module = self.load(path)
                if path not in self._imported:
                    by_name = dict.fromkeys([*self._list_searched(module), *self._list_by_pattern(module)])
                    module.loaded_by_name = tuple(self.load(one) for one in by_name if one != path)
                    self._imported[path] = list(dict.fromkeys([*self._list_imported(module), *by_name]))
                waiting += self._imported[path]
        return sorted(reached.values(), key=lambda module: module.file)

    def _list_imported(self, module: SourceModule) -> Iterator[Path]:
        """Yield the files that a module's imports execute, each package on the way included."""
        for name, is_relative in module.list_imports():
            base = self.folder if is_relative else self._find_base(module.path, name)
            if base is None:
                self._note_unresolved(module, name)
                continue
            current = base
            for part in name.split("."):
                current /= part
                if (file := self._file_of(current)) and file != module.path:
                    yield file
            if is_relative and not any(self._exists(base / Path(*parts)) for parts in _prefixes(name)):
                self._note_unresolved(module, f".{name}")

    def _list_searched(self, module: SourceModule) -> Iterator[Path]:
        """Yield the files of the packages in which a module looks for modules to import."""
        for name in module.searched_packages:
            base = self._find_base(module.path, name)
            folder = base.joinpath(*name.split(".")) if base else None
            if folder in self._folders and folder not in module.path.parents:
                yield from (file for file in self.files if folder in file.parents)

    def _list_by_pattern(self, module: SourceModule) -> Iterator[Path]:
        """Yield the files that a module imports by a string, and the packages on the way."""
        for pattern in dict.fromkeys(list_patterns(module)):
            known, _, below = pattern.partition(ANY)
            name = known.rpartition(".")[0] if ANY in pattern else pattern
            if not name:
                continue
            base = self._find_base(module.path, pattern.replace(f".{ANY}", "")) or self._find_own(
                module, name
            )
            if base is None:
                continue
            current = base
            for part in name.split("."):
                current /= part
                yield from filter(None, [self._file_of(current)])
            if ANY in pattern and current in self._folders:
                parts = [part for part in below.split(".") if part and ANY not in part]
                for one in sorted(self._children.get(current, ())):
                    yield from filter(None, [self._file_of(one.joinpath(*parts))])

    @cached_property
    def _children(self) -> dict[Path, set[Path]]:
        """The modules and folders in each folder, without tests."""
        found: dict[Path, set[Path]] = {}
        for file in self.files:
            if not is_test(self.folder, file) and file.name != "__init__.py":
                found.setdefault(file.parent, set()).add(file.with_suffix(""))
        for folder in self._folders:
            found.setdefault(folder.parent, set()).add(folder)
        return found

    def _find_own(self, module: SourceModule, name: str) -> Path | None:
        """Return the project's folder if a name is that of the module itself or of a package around it."""
        return self.folder if f"{module.name}.".startswith(f"{name}.") else None

    def _note_unresolved(self, module: SourceModule, name: str) -> None:
        first = name.partition(".")[0] if not name.startswith(".") else name
        if not self._is_installed(first):
            self.unresolved.setdefault(first, set()).add(module.file)

    def _exists(self, path: Path) -> bool:
        return path in self._folders or self._file_of(path) is not None

    def _file_of(self, path: Path) -> Path | None:
        for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if file in self._known:
                return file
        return None

    def _resolve_name(self, module: SourceModule, name: str, below: str) -> str:
        full = f"{name}.{below}" if below else name
        base = self._find_base(module.path, full, has_submodule="." in name) if name else None
        if base is None or base == self.folder:
            return name
        return ".".join([*base.relative_to(self.folder).parts, name])

    def _find_base(self, importer: Path, name: str, *, has_submodule: bool = False) -> Path | None:
        """Return the folder that an absolute import of a file starts from; None if it is not in the project.

        has_submodule: the name goes on with a module within the first one.
        """
        first = name.partition(".")[0]
        packages = self._packages.get(first, ())
        for base in self._list_bases(importer.parent):
            path = base / first
            file = self._file_of(path)
            if file and has_submodule and file.name != "__init__.py":
                continue  # a module has no modules in it: app/redis.py is not what redis.asyncio means
            if file and file != importer:
                return base
            if path in importer.parents and file is None and not self._has_second_part(base, name):
                continue  # shop/telegram/bot.py means the library by `import telegram`
            if file is None and path in self._folders and not self._is_installed(first):
                return packages[0] if len(packages) == 1 else base
        if self._is_installed(first):
            return None
        # a distribution elsewhere in the repository, if there is only one such package
        return packages[0] if len(packages) == 1 else self._find_beside(importer, first)

    def _has_second_part(self, base: Path, name: str) -> bool:
        """Return whether the first two parts of a dotted name lead to a module or folder of the project."""
        parts = name.split(".")[:2]
        return len(parts) > 1 and self._exists(base.joinpath(*parts))

    def _find_beside(self, importer: Path, name: str) -> Path | None:
        """Return the package around a file that holds a module of this name.

        Lambda puts a function's folder on sys.path, also one that has an __init__.py. The name of a well-known library
        means the library.
        """
        if name in load_library_names():
            return None
        around = (one for one in importer.parents if self.folder in (one, *one.parents))
        return next((one for one in around if self._file_of(one / name) not in (None, importer)), None)

    def _list_packages(self) -> dict[str, list[Path]]:
        """Return where the top-level packages are, by name: a repository may hold several distributions."""
        found: dict[str, list[Path]] = {}
        for file in self.files:
            base = file.parent.parent
            if file.name == "__init__.py" and base / "__init__.py" not in self._known:
                found.setdefault(file.parent.name, []).append(base)
        return found

    def _is_installed(self, name: str) -> bool:
        """Return whether a top-level module is the standard library's or installed here. It is not imported."""
        if name not in self._installed:
            self._installed[name] = name in sys.stdlib_module_names or _is_outside(name, self.folder)
        return self._installed[name]

    def _list_bases(self, folder: Path) -> list[Path]:
        """Return the folders that may be on sys.path for a file, the nearest first.

        A folder with an __init__.py is a package, and the folder above it is on sys.path.
        """
        if folder not in self._bases:
            ancestors = [one for one in (folder, *folder.parents) if self.folder in (one, *one.parents)]
            roots = [one for one in ancestors if one / "__init__.py" not in self._known]
            layouts = [root / below for root in ancestors for below in SOURCE_FOLDERS]
            self._bases[folder] = [*roots, *(one for one in layouts if one in self._folders)]
        return self._bases[folder]


def _prefixes(name: str) -> Iterator[list[str]]:
    parts = name.split(".")
    return (parts[:end] for end in range(max(1, len(parts) - 1), len(parts) + 1))


def _is_outside(name: str, folder: Path) -> bool:
    """Return whether a module can be found outside a folder; `python -m` puts the working directory on sys.path."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return False
    locations = [] if spec is None else [spec.origin or "", *(spec.submodule_search_locations or ())]
    return any(location and folder not in Path(location).parents for location in locations)


def _list_files(folder: Path) -> Iterator[Path]:
    """Yield every Python file below a folder, without virtual environments, libraries, hidden folders and build output."""
    for parent, folders, files in os.walk(folder):
        vendored = find_vendored(Path(parent), folders)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in SKIPPED_FOLDERS
            and name not in vendored
            and not (Path(parent) / name / "pyvenv.cfg").exists()
        )
        yield from (
            Path(parent) / name
            for name in sorted(files)
            if name.endswith(".py") and not name.startswith(".") and name not in vendored
        )


def _module_parts(file: Path) -> tuple[str, ...]:
    parts = file.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def is_test(folder: Path, file: Path) -> bool:
    """Return whether a file belongs to tests, which no handler imports."""
    relative = file.relative_to(folder)
    return (
        bool(TEST_FOLDERS & set(relative.parts))
        or file.name.startswith("test_")
        or file.name == "conftest.py"
    )
