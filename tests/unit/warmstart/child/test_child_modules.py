"""Modules of the child that need no process of their own."""

import ast
import socket
import sys
from pathlib import Path

import pytest

from ticketctl.warmstart import child
from ticketctl.warmstart.child import ipc
from ticketctl.warmstart.child.exceptions import describe
from ticketctl.warmstart.child.open_fds import format_address
from ticketctl.warmstart.child.user_code import UserCode

FOLDER = Path(child.__file__).parent


def test_lone_surrogates_become_question_marks():
    assert ipc.parse(b'["\\ud800", "\\uD83D\\ude00", "\\u0000"]') == ["?", "\U0001f600", "\0"]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.py")), ids=lambda file: file.name)
def test_the_child_imports_the_standard_library_only(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= sys.stdlib_module_names
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module.partition(".")[0] in sys.stdlib_module_names


def test_a_message_arrives_unchanged():
    one, other = socket.socketpair()
    with one, other:
        message = {"text": "lone \ud800 surrogate, \0 and \u2028", "numbers": [1, 2.5, None]}
        ipc.send(one, message)
        assert ipc.receive(other) == message


def test_a_channel_closed_within_a_message_yields_none():
    one, other = socket.socketpair()
    with other:
        with one:
            one.sendall(ipc.pack({"do": "invoke"})[:-3])
        assert ipc.receive(other) is None


@pytest.mark.parametrize(
    ("peer", "text"),
    [
        (("127.0.0.1", 5432), "127.0.0.1:5432"),
        (("::1", 5432, 0, 0), "[::1]:5432"),
        ("/run/postgres/.s.PGSQL.5432", "unix:/run/postgres/.s.PGSQL.5432"),
        (b"\0abstract", "unix:\0abstract"),
        ("", None),
        (b"", None),
        ((), None),
    ],
)
def test_addresses_are_formatted(peer, text):
    assert format_address(peer) == text


def test_the_text_of_a_group_lists_its_exceptions():
    group = ExceptionGroup("two", [ValueError("a"), ExceptionGroup("inner", [KeyError("b")])])
    said = describe(group)
    assert said["error_type"] == "ExceptionGroup"
    assert said["error"].endswith("ValueError: a; KeyError: 'b'")
    assert ("KeyError", "'b'") in said["chain"]


def test_a_cyclic_exception_chain_ends():
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    assert [text for _, text in describe(first)["chain"]] == ["first", "second"]


def test_user_files_are_told_from_installed_ones(tmp_path):
    (tmp_path / "app.py").touch()
    source = UserCode("app", str(tmp_path))
    assert source.name(str(tmp_path / "deep" / "module.py")) == "deep/module.py"
    assert source.name(str(tmp_path / "venv" / "site-packages" / "library.py")) is None
    assert source.name("/elsewhere/shared.py") == "/elsewhere/shared.py"
    assert source.name("library/compiled.pyx") is None
    assert source.name("<frozen importlib._bootstrap>") is None
    assert source.name(socket.__file__) is None
    assert source.line([(socket.__file__, 1), (str(tmp_path / "app.py"), 7)]) == "app.py:7"


def test_the_package_of_an_installed_handler_is_user_code():
    source = UserCode("ticketctl.worker", None)
    package = FOLDER.parents[1]
    assert source.name(str(package / "worker.py")).endswith("worker.py")
    assert source.name(str(FOLDER / "wire.py")) is None


def test_packages_vendored_beside_the_handler_are_not_user_code(tmp_path):
    (tmp_path / "app.py").touch()
    record = tmp_path / "library-1.0.dist-info" / "RECORD"
    record.parent.mkdir()
    record.write_text(
        "library/__init__.py,sha256=x,1\nsingle.py,sha256=x,1\nlibrary-1.0.dist-info/RECORD,,\n"
    )
    source = UserCode("app", str(tmp_path))
    assert source.name(str(tmp_path / "library" / "core.py")) is None
    assert source.name(str(tmp_path / "single.py")) is None
    assert source.name(str(tmp_path / "app.py")) == "app.py"
