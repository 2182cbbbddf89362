"""A finding of the static analysis."""

import ast
from dataclasses import dataclass
from typing import Any

from ticketctl.warmstart.static_analysis.facts.module_facts import CallSite
from ticketctl.warmstart.static_analysis.rule_catalog import RULES


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SourceFinding:
    """One problem in the source: where it is, why it happens, and how to fix it.

    file: relative to the analyzed folder; the name of a setting or a variable where `line` is 0.
    breaks: False where the problem only shows under conditions that the source does not show.
    """

    file: str
    line: int
    rule: str
    cause: str
    fix: str
    breaks: bool = True

    @property
    def place(self) -> str:
        """Return the place as `file:line`, or the name alone where there is no line."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON; the key of `fix` is "cure"."""
        return {
            "file": self.file,
            "line": self.line,
            "rule": self.rule,
            "cause": self.cause,
            "cure": self.fix,
            "breaks": self.breaks,
        }


def make_finding(place: tuple[str, int], rule: str, cause: str, *, breaks: bool = True) -> SourceFinding:
    """Return a finding of a rule, with the rule's fix."""
    file, line = place
    return SourceFinding(file=file, line=line, rule=rule, cause=cause, fix=RULES[rule].fix, breaks=breaks)


def describe_site(site: CallSite) -> str:
    """Return a call in words: "asyncio.run at app.py:7"."""
    file, line = site.place
    return f"{name_call(site)} at {file}:{line}"


def name_call(site: CallSite) -> str:
    """Return the name of the function that is called: of a library's the qualified name, else as it is written."""
    is_own = site.name.startswith(f"{site.module.name}.")
    return ast.unparse(site.call.func) if is_own else site.name
