"""Handlers as deployment files name them: SAM and CloudFormation, Serverless Framework, Terraform, and CDK.

Only literal values count; the files are read as text, and no tool of theirs runs.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ticketctl.warmstart.static_analysis.repository.project import SKIPPED_FOLDERS
from ticketctl.warmstart.static_analysis.repository.yaml_reader import Scalar, read_yaml

MAX_BYTES = 2_000_000
HANDLER = re.compile(r"[A-Za-z0-9_./\-]+\.[A-Za-z_]\w*")
HANDLER_KEYS = ("Handler", "handler")
FOLDER_KEYS = ("CodeUri", "Code", "codeUri", "code", "DockerContext")
CDK = re.compile(r"aws[_-]lambda|aws_cdk|aws-cdk")
CDK_HANDLER = re.compile(r"""\bhandler\s*[:=]\s*["']([\w./\-]+)["']""")
CDK_INDEX = re.compile(r"""\bindex\s*[:=]\s*["']([\w./\-]+)\.py["']""")
CDK_RUNTIME = re.compile(r"\bPYTHON_3_(\d+)\b")
TERRAFORM_HANDLER = re.compile(r'\bhandler\s*=\s*"([^"$]+)"')
TERRAFORM_RUNTIME = re.compile(r'\bruntime\s*=\s*"(python[\d.]+)"')
STRING = re.compile(r"""["']([^"'\n]+)["']""")
NEARBY = 500
"""Characters around a CDK handler in which the folder of its code is named."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A handler in a deployment file; `folders` are where its module may be."""

    handler: str
    place: str
    module: str
    function: str
    folders: tuple[Path, ...] = ()
    runtime: str | None = None

    @property
    def is_python(self) -> bool:
        """Return whether the deployment file says that the handler is Python."""
        return (self.runtime or "").startswith("python")


def read_declarations(folder: Path) -> Iterator[Declaration]:
    """Yield the handlers that the deployment files below a folder name."""
    for path in _list_files(folder):
        try:
            if path.stat().st_size > MAX_BYTES:
                continue
            text = path.read_text("utf-8", "replace")
        except OSError:
            continue
        if "andler" in text or "ImageConfig" in text:
            yield from _read_file(folder, path, text)


def _list_files(folder: Path) -> Iterator[Path]:
    suffixes = (".yaml", ".yml", ".json", ".tf", ".py", ".ts", ".js")
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one not in SKIPPED_FOLDERS)
        yield from (Path(parent) / name for name in sorted(files) if name.endswith(suffixes))


def _read_file(folder: Path, path: Path, text: str) -> Iterator[Declaration]:
    if path.suffix in (".yaml", ".yml"):
        yield from _read_mapping(folder, path, read_yaml(text))
    elif path.suffix == ".json":
        try:
            document = json.loads(text)
        except ValueError:
            return
        yield from _read_mapping(folder, path, document)
    elif path.suffix == ".tf":
        yield from _read_terraform(folder, path, text)
    elif CDK.search(text):
        yield from _read_cdk(folder, path, text)


def _read_mapping(folder: Path, path: Path, document: Any) -> Iterator[Declaration]:
    """Yield the handlers of a SAM, CloudFormation or Serverless document."""
    defaults: Mapping[str, Any] = {}
    if isinstance(document, Mapping):
        for section, below in (("Globals", "Function"), ("provider", "")):
            one = document.get(section)
            one = one.get(below) if below and isinstance(one, Mapping) else one
            defaults = one if isinstance(one, Mapping) else defaults
    for node in _walk(document):
        for value in _list_handler_values(node):
            match = HANDLER.fullmatch(str(value))
            if match is None:
                continue
            code = next((node[key] for key in FOLDER_KEYS if key in node), None)
            code = (
                code
                if code is not None
                else next((defaults[key] for key in FOLDER_KEYS if key in defaults), None)
            )
            runtime = (
                node.get("Runtime")
                or node.get("runtime")
                or defaults.get("Runtime")
                or defaults.get("runtime")
            )
            line = getattr(value, "line", 0)
            yield _declare(
                folder, path, line, str(value), [str(code)] if isinstance(code, str) else [], runtime
            )


def _list_handler_values(node: Mapping[str, Any]) -> Iterator[Any]:
    yield from (node[key] for key in HANDLER_KEYS if isinstance(node.get(key), str))
    image = node.get("ImageConfig")
    command = image.get("Command") if isinstance(image, Mapping) else None
    if isinstance(command, list) and command and isinstance(command[0], str):
        yield command[0]
    elif isinstance(command, str) and (match := STRING.search(command)):
        yield Scalar(match[1], getattr(command, "line", 0))


def _walk(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def _read_terraform(folder: Path, path: Path, text: str) -> Iterator[Declaration]:
    hints = [one for one in STRING.findall(text) if "/" in one or "." in one]
    runtime = TERRAFORM_RUNTIME.search(text)
    for match in TERRAFORM_HANDLER.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield _declare(folder, path, line, match[1], hints, runtime and runtime[1])


def _read_cdk(folder: Path, path: Path, text: str) -> Iterator[Declaration]:
    for match in CDK_HANDLER.finditer(text):
        near = text[max(0, match.start() - NEARBY) : match.end() + NEARBY]
        index = CDK_INDEX.search(near)
        handler = match[1] if "." in match[1] else f"{index[1] if index else 'index'}.{match[1]}"
        version = CDK_RUNTIME.search(near)
        line = text.count("\n", 0, match.start()) + 1
        runtime = f"python3.{version[1]}" if version else None
        yield _declare(folder, path, line, handler, STRING.findall(near), runtime)


def _declare(
    folder: Path, path: Path, line: int, handler: str, hints: list[str], runtime: object
) -> Declaration:
    module, _, function = handler.rpartition(".")
    place = f"{path.relative_to(folder)}:{line}"
    folders = tuple(dict.fromkeys(_list_folders(folder, path, hints)))
    return Declaration(
        handler, place, module, function, folders, str(runtime) if isinstance(runtime, str) else None
    )


def _list_folders(folder: Path, path: Path, hints: list[str]) -> Iterator[Path]:
    """Yield the folders that strings in a deployment file name, relative to it or to a folder above it."""
    bases = [one for one in path.parents if folder in (one, *one.parents)]
    for hint in hints:
        cleaned = re.sub(r"\$\{path\.(module|root|cwd)\}/?", "", hint).strip("/ ")
        if not cleaned or "${" in cleaned or len(cleaned) > 200:  # noqa: PLR2004 longer than a path in a repository
            continue
        for base in bases:
            candidate = Path(os.path.normpath(base / cleaned))
            if folder in (candidate, *candidate.parents) and candidate.is_dir():
                yield candidate
                break
    yield path.parent
