"""Findings of the doctor in the forms of CI systems: GitHub's workflow commands, and SARIF.

Sources: "Workflow commands for GitHub Actions" in GitHub's documentation; "Static Analysis Results Interchange Format
(SARIF) Version 2.1.0", an OASIS standard.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ticketctl.warmstart.static_analysis.finding import SourceFinding
from ticketctl.warmstart.static_analysis.rule_catalog import RULES

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render_github(findings: Sequence[SourceFinding], folder: Path) -> list[str]:
    """Return one workflow command for each finding: GitHub shows it at the line of a pull request."""
    lines = []
    for one in findings:
        place = f"file={_escape_property(_locate(one, folder))},line={one.line}," if one.line else ""
        level = "error" if one.breaks else "warning"
        text = _escape_data(f"{one.cause}\nFix: {one.fix}")
        lines.append(f"::{level} {place}title={_escape_property(one.rule)}::{text}")
    return lines


def render_sarif(findings: Sequence[SourceFinding], folder: Path, version: str) -> dict[str, Any]:
    """Return a SARIF log with one run."""
    ids = sorted({one.rule for one in findings} | set(RULES))
    driver = {
        "name": "ticketctl doctor",
        "version": version,
        "rules": [_render_rule(one) for one in ids],
    }
    results = [
        {
            "ruleId": one.rule,
            "ruleIndex": ids.index(one.rule),
            "level": "error" if one.breaks else "warning",
            "message": {"text": f"{one.cause}\nFix: {one.fix}"},
            **_render_location(one, folder),
        }
        for one in findings
    ]
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _render_rule(name: str) -> dict[str, Any]:
    rule = RULES.get(name)
    if rule is None:  # a rule about settings, which the catalog of source rules does not describe
        return {"id": name}
    return {
        "id": name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.fix},
    }


def _render_location(one: SourceFinding, folder: Path) -> dict[str, Any]:
    if not one.line:
        return {}
    artifact = {"uri": Path(_locate(one, folder)).as_posix()}
    return {
        "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": one.line}}}]
    }


def _locate(one: SourceFinding, folder: Path) -> str:
    """Return the file relative to the working directory, which is the repository's root in CI."""
    return os.path.relpath(folder / one.file)


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
