"""Models, taxonomies and settings of any content: one line with the file's name, exit status 2 or 4, little memory."""

import json
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from /proc"
)

MAX_MEGABYTES = 100
MAGIC = b"ticketctl model 1\n"


def bomb(piece, times, head=b""):
    """Return a model that decompresses to so many pieces."""
    compressor = zlib.compressobj(9)
    return b"".join(
        [
            MAGIC,
            compressor.compress(head),
            *(compressor.compress(piece) for _ in range(times)),
            compressor.flush(),
        ]
    )


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


def run(arguments, folder, **variables):
    """Run the program; return its exit status, its error output and its peak memory in megabytes."""
    # ru_maxrss would include this process, which the child was forked from
    program = (
        "import re, sys\nfrom ticketctl.__main__ import main\n"
        "try: main()\nfinally: sys.stderr.write('\\n' + re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "TICKETCTL_HOME": str(folder / "home"),
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said, _, kilobytes = done.stderr.rstrip("\n").rpartition("\n")
    return done.returncode, said, int(kilobytes) / 1024


def assert_refused(outcome, name):
    status, said, megabytes = outcome
    lines = said.strip().splitlines()
    assert status in {2, 4}, said
    assert lines[0].startswith("error: "), said
    assert name in lines[0]
    assert len(lines) <= 2
    assert len(said) < 2_500
    assert megabytes < MAX_MEGABYTES


@pytest.mark.parametrize("content", MODELS.values(), ids=MODELS)
def test_model_of_any_content(tmp_path, content):
    (tmp_path / "odd.model").write_bytes(content)
    (tmp_path / "a.csv").write_text("text,label\nx,a\ny,b\n")
    assert_refused(run(["eval", "a.csv", "--model", "odd.model"], tmp_path), "odd.model")


@pytest.mark.parametrize("content", TOMLS.values(), ids=TOMLS)
def test_taxonomy_of_any_content(tmp_path, content):
    (tmp_path / "odd.toml").write_bytes(content)
    (tmp_path / "a.csv").write_text("text,label\nx,a\ny,b\n")
    assert_refused(run(["eval", "a.csv"], tmp_path, TICKETCTL_TAXONOMY="odd.toml"), "odd.toml")


@pytest.mark.parametrize("content", TOMLS.values(), ids=TOMLS)
def test_settings_of_any_content(tmp_path, content):
    (tmp_path / "ticketctl.toml").write_bytes(content)
    assert_refused(run(["config", "show"], tmp_path), "ticketctl.toml")
