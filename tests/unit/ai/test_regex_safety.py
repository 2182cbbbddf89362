import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketctl.ai import regex_safety
from ticketctl.ai.offline.extraction import extract
from ticketctl.ai.regex_safety import MAX_PATTERN, find_regex_problem, is_safe_to_backtrack, search
from ticketctl.ai.sanitize import MAX_CHARACTERS
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.ai.taxonomy.schema import Identifier

SAFE = [
    "", r"AT\d{4}", r"\d+", r"[A-Z]{2,4}-\d{3,8}", r"(INV|RE)-?\d+", r"(?:ABC|ABD)\d+", r"^vip", r"evil\.example$", r"[A-Z0-9]{5,10}-?[A-Z0-9]{0,5}",
    r"\d{4}-\d{2}-\d{2}", r"(?:[-_/][A-Z0-9]+)*", r"[A-Z]{0,6}[-_/]?\d[A-Z0-9]*(?:[-_/][A-Z0-9]+)*", r"(?i:ab)+c", r"[^\s@]+@acme\.example", r"[^\d\s]{3}\d?",
]  # fmt: skip
DANGEROUS = [
    r"(a+)+$", r"(a|a)*b", r"(a|aa)+$", r"(a*)*b", r"([a-z]+)*\d", r"(\d+-?)+x", r"(x+x+)+y", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(.*)*x", r"\d*\d*\d*x", r"\w*\d+x", r"(?:a?){50}a{50}", r"[^x]*y",
    r"(\w+\s?)*:", r"(a+)\1", r"(?=a+)a*b", r"((a|b)?c?)*d", r".*.*=.*",
]  # fmt: skip


@pytest.mark.parametrize("pattern", SAFE)
def test_deterministic_pattern_runs_on_python(pattern):
    assert is_safe_to_backtrack(pattern)
    assert find_regex_problem(pattern) is None


@pytest.mark.parametrize("pattern", DANGEROUS)
def test_ambiguous_pattern_is_refused_without_re2(pattern, monkeypatch):
    monkeypatch.setitem(sys.modules, "re2", None)
    regex_safety._compile_re2.cache_clear()
    assert not is_safe_to_backtrack(pattern)
    assert "could take very long" in find_regex_problem(pattern)


@pytest.mark.parametrize("pattern", [p for p in DANGEROUS if r"\1" not in p and "(?=" not in p])
def test_ambiguous_pattern_runs_on_re2(pattern):
    pytest.importorskip("re2")
    regex_safety._compile_re2.cache_clear()
    assert find_regex_problem(pattern) is None
    started = time.process_time()
    for text in ("a" * 5_000 + "!", "1" * 5_000, "1-" * 3_000, "x" * 5_000, "a b " * 2_000):
        search(pattern, text)
    assert time.process_time() - started < 0.2


@pytest.mark.parametrize("pattern", [r"(a+)\1", r"(?=a+)a*b"])
def test_what_re2_lacks_is_named(pattern):
    pytest.importorskip("re2")
    regex_safety._compile_re2.cache_clear()
    assert find_regex_problem(pattern).startswith("RE2 cannot run this regular expression: ")


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "not a regular expression: "),
        ("x" * (MAX_PATTERN + 1), "at most 500 characters"),
        ("(" * 400, "not a regular"),
    ],
)
def test_invalid_pattern_is_refused(pattern, problem):
    assert problem in find_regex_problem(pattern)


@pytest.mark.parametrize("pattern", [r"(?:[A-Z]+\d*)+", r"(?:\d+-?)+"])
def test_identifier_on_re2_ends_with_a_word(pattern):
    pytest.importorskip("re2")
    asset = (Identifier(kind="asset", keywords=("asset",), pattern=pattern),)
    found = extract("asset no. AB12, asset: 12-34 asset AB12_ and asset 12é", asset).entities
    assert {entity.value for entity in found if entity.kind == "asset"} <= {"AB12", "12-34"}
    assert [entity.value for entity in found if entity.kind == "asset"]


@pytest.mark.parametrize("pattern", [*SAFE, r"(\d+-?)+x", r"([a-z]+)*\d"])
def test_identifier_costs_little_for_any_text(pattern):
    pytest.importorskip("re2")
    own = (Identifier(kind="asset", keywords=("asset",), pattern=pattern),)
    for unit in (
        "asset 1-",
        "asset a",
        "asset: 11111111",
        "asset #a1-",
        "asset " + "1-" * 200,
        "asset " + "a" * 500,
    ):
        text = (unit * MAX_CHARACTERS)[:MAX_CHARACTERS]
        started = time.process_time()
        extract(text, own)
        assert time.process_time() - started < 0.5


@given(st.from_regex(r"[ab1(|)*+?{2,}\[\]^.-]{1,12}", fullmatch=True))
def test_accepted_pattern_is_fast(pattern):
    try:
        problem = None if is_safe_to_backtrack(pattern) else "RE2"
    except Exception:  # noqa: BLE001  (not a regular expression)
        return
    if problem is None:
        started = time.process_time()
        for text in ("a" * 200, "ab" * 100, "a1" * 100, "1" * 200 + "!"):
            search(pattern, text)
        assert time.process_time() - started < 0.1


def test_built_in_taxonomy_runs_on_python():
    patterns = [identifier.pattern for identifier in default_taxonomy().identifiers]
    patterns += [p for rule in default_taxonomy().routes for p in rule.when.entities.values()]
    assert all(map(is_safe_to_backtrack, patterns))
