"""The structure of the package: one place for each name."""

import ast
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ticketctl"
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_the_package_root_has_at_most_eighteen_names() -> None:
    names = {path.stem for path in PACKAGE.iterdir() if not path.name.startswith(("__", "."))}
    assert len(names) <= 18, sorted(names)


def test_no_class_name_has_two_meanings() -> None:
    names = Counter(
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_no_module_is_also_a_folder_beside_it() -> None:
    assert [path for path in MODULES if path.with_suffix("").is_dir()] == []


def test_a_module_without_a_layer_breaks_the_import_contract(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "ticketctl", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}

    def lint() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    assert lint().returncode == 0
    (tmp_path / "ticketctl" / "stray.py").write_text('"""A module that no layer names."""\n')
    done = lint()
    assert done.returncode != 0
    assert "stray" in done.stdout


def test_modules_and_functions_are_short() -> None:
    trees = {path: ast.parse(path.read_text("utf-8")) for path in MODULES}
    modules = [path for path in MODULES if len(path.read_text("utf-8").splitlines()) > 300]
    functions = [
        (path.name, node.name)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert (modules, functions) == ([], [])
