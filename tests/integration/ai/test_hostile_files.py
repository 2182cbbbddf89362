"""Models, taxonomies and settings of any content: one line with the file's name, exit status 2 or 4, little memory."""

import json
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from ticketctl import settings
from ticketctl.ai.offline.engine.model_store import load_model_file
from ticketctl.ai.taxonomy.loader import default_taxonomy, load_taxonomy_file
from ticketctl.errors import ConfigError

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from /proc"
)

MAX_MEGABYTES = 100
MAGIC = b"ticketctl model 1\n"


def bomb(piece, times, head=b""):
    """Return a model that decompresses to so many pieces. A piece is compressed once: full flushes separate them."""
    compressor = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    first, block = (compressor.compress(part) + compressor.flush(zlib.Z_FULL_FLUSH) for part in (head, piece))
    checksum = zlib.adler32(head)
    for _ in range(times):
        checksum = zlib.adler32(piece, checksum)
    return MAGIC + b"\x78\xda" + first + block * times + compressor.flush() + checksum.to_bytes(4, "big")


def model(header, rest=b"\n\n"):
    return MAGIC + zlib.compress(
        (header if isinstance(header, bytes) else json.dumps(header).encode()) + rest
    )


GOOD = {
    "labels": ["a", "b"],
    "texts": 2,
    "seen": [],
    "unit": 1.0,
    "by_score": 1,
    "by_lead": 1,
    "offset": 0,
    "scope": 0,
}

MODELS = {
    "empty": b"",
    "other": b"\x89PNG\r\n\x1a\n" * 1000,
    "magic alone": MAGIC,
    "bomb": bomb(bytes(1_000_000), 500),
    "bomb of names": bomb(b"\n" * 1_000_000, 50, json.dumps(GOOD).encode()),
    "bomb of features": model(GOOD, b"\na" * 5_900_000 + b"\n\n"),
    "huge": MAGIC + bytes(range(256)) * 100_000,
    "deep list": model(b"[" * 1_000_000),
    "deep object": model(b'{"a":' * 900),
    "many lists": model(b"[" + b"[]," * 400_000 + b"[]]"),
    "many keys": model(b"{" + b",".join(b'"%x":1' % n for n in range(150_000)) + b"}"),
    "list": model([1, 2]),
    "number": model(b"1"),
    "text": model(b'"labels"'),
    "digits": model(b'{"labels": ["a", "b"], "texts": ' + b"9" * 100_000 + b"}"),
    "labels of numbers": model({**GOOD, "labels": [1, 2]}),
    "one label": model({**GOOD, "labels": ["a"]}),
    "labels as text": model({**GOOD, "labels": "ab"}),
    "labels as object": model({**GOOD, "labels": {"a": 1, "b": 2}}),
    "negative count": model({**GOOD, "seen": [-5]}, b"\nx\n\n\x80\x80"),
    "count as text": model({**GOOD, "seen": ["1"]}, b"\nx\n\n\x80\x80"),
    "boolean count": model({**GOOD, "seen": [True]}, b"\nx\n\n\x80\x80"),
    "not a number": model({**GOOD, "unit": float("nan")}),
    "infinite": model({**GOOD, "unit": float("inf")}),
    "unit as list": model({**GOOD, "unit": [1]}),
    "no weights": model({**GOOD, "seen": [1]}, b"\nx\n\n"),
    "not UTF-8": model(GOOD, b"\n\xff\xfe\n\n"),
    "missing keys": model({}),
    "surrogate": model(b'{"labels": ["\\ud800", "b"], "texts": 1}'),
    "cut": model(GOOD)[:-4],
    "trailing": model(GOOD) + b"more",
}
TOMLS = {
    "binary": bytes(range(256)) * 100,
    "huge": b"# " + b"x" * 30_000_000,
    "zeros": b"\0" * 1_000_000,
    "deep list": b"a = " + b"[" * 500_000,
    "deep table": b"a = " + b"{a = " * 15_000,
    "deep key": b"a" + b".a" * 300_000 + b" = 1",
    "deep quoted key": b'"a"' + b' . "a"' * 100_000 + b" = 1",
    "deep header": b"[" + b"a." * 300_000 + b"a]",
    "many tables": b"".join(b"[t%d]\n" % n for n in range(150_000)),
    "many inline tables": b"".join(b"t%d={}\n" % n for n in range(120_000)),
    "many keys": b"".join(b"k%d=1\n" % n for n in range(150_000)),
    "many rows": b"[[categories]]\n" * 120_000,
    "digits": b"a = " + b"9" * 100_000,
    "date": b"a = 2024-99-99",
    "unclosed text": b'a = "' + b"x" * 1_000_000,
    "list for text": b"pool = [1]\ncategories = 5\n",
    "table for list": b"categories = {a = 1}\npool = {}\n",
    "long name": b"x" * 500_000 + b" = 1",
    "odd types": b"categories = [1, 2.5, true, 2024-01-01]\ntaxonomy = 5\n",
    "twice": b"a = 1\na = 2\n",
    "line breaks in a key": b'"a\\nb\\u001b[31m" = 1\n',
}


def is_refused(error, name):
    return name in str(error) and len(str(error)) < 2_500


@pytest.mark.parametrize("content", MODELS.values(), ids=MODELS)
def test_model_of_any_content_is_refused(tmp_path, content):
    (tmp_path / "odd.model").write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load_model_file(tmp_path / "odd.model", default_taxonomy())
    assert is_refused(refused.value, "odd.model")


@pytest.mark.parametrize("content", TOMLS.values(), ids=TOMLS)
def test_taxonomy_of_any_content_is_refused(tmp_path, content):
    (tmp_path / "odd.toml").write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load_taxonomy_file(tmp_path / "odd.toml")
    assert is_refused(refused.value, "odd.toml")


@pytest.mark.parametrize("content", TOMLS.values(), ids=TOMLS)
def test_settings_of_any_content_are_refused(tmp_path, content):
    (tmp_path / "ticketctl.toml").write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        settings.load({}, folder=tmp_path)
    assert is_refused(refused.value, "ticketctl.toml")


@pytest.mark.parametrize(
    ("arguments", "files", "variables", "status"),
    [
        (["eval", "a.csv", "--model", "odd.model"], {"odd.model": MODELS}, {}, 2),
        (["eval", "a.csv"], {"odd.toml": TOMLS}, {"TICKETCTL_TAXONOMY": "odd.toml"}, 4),
        (["config", "show"], {"ticketctl.toml": TOMLS}, {}, 4),
    ],
    ids=["models", "taxonomies", "settings"],
)
def test_program_reports_every_file_in_one_line_and_little_memory(
    tmp_path, arguments, files, variables, status
):
    """One process reads all files in turn: its peak memory is at least that of a process for each."""
    ((name, contents),) = files.items()
    (tmp_path / "a.csv").write_text("text,label\nx,a\ny,b\n")
    for number, content in enumerate(contents.values()):
        (tmp_path / f"{number}").write_bytes(content)
    program = (
        "import re, shutil, sys\nfrom ticketctl.cli.app import run\n"
        f"for number in range({len(contents)}):\n"
        f"    shutil.copy(str(number), {name!r})\n"
        f"    print(run({arguments!r}))\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "TICKETCTL_HOME": str(tmp_path / "home"),
            **variables,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    *statuses, kilobytes = map(int, done.stdout.split())
    errors = [line for line in done.stderr.splitlines() if not line.startswith("hint: ")]
    assert statuses == [status] * len(contents), done.stderr
    assert len(errors) == len(contents)
    assert all(line.startswith("error: ") and name in line for line in errors)
    assert kilobytes / 1024 < MAX_MEGABYTES
