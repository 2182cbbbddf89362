"""Comments that suppress findings: `# ticketctl: ignore[RULE, ...] REASON`, on the line or on the line above.

A suppression needs a reason, so that a reader of the code knows why the finding does not apply.
"""

import re
from collections.abc import Mapping, Sequence

from ticketctl.warmstart.static_analysis.finding import SourceFinding, make_finding
from ticketctl.warmstart.static_analysis.rule_catalog import RULES

COMMENT = re.compile(r"#\s*ticketctl:\s*ignore\[(?P<rules>[^\]]*)\](?P<reason>[^#]*)")


def apply_suppressions(
    findings: Sequence[SourceFinding], lines: Mapping[str, Sequence[str]]
) -> list[SourceFinding]:
    """Return the findings without the suppressed ones, and a finding for each comment that suppresses nothing.

    lines: the source lines of each file.
    """
    kept: list[SourceFinding] = []
    invalid: dict[tuple[str, int], SourceFinding] = {}
    for finding in findings:
        match, line = _find_comment(lines.get(finding.file, ()), finding.line)
        rules = [one.strip() for one in match["rules"].split(",")] if match else []
        if match is None or (finding.rule not in rules and all(one in RULES for one in rules)):
            kept.append(finding)
            continue
        unknown = [one for one in rules if one not in RULES]
        reason = "" if match["reason"].strip(" :-") else "it gives no reason"
        if unknown:
            reason = f"there is no rule {unknown[0]!r}"
        if not reason:
            continue
        kept.append(finding)
        invalid[finding.file, line] = make_finding(
            (finding.file, line),
            "invalid-suppression",
            f"The comment suppresses nothing: {reason}.",
            breaks=False,
        )
    return sorted([*kept, *invalid.values()])


def _find_comment(lines: Sequence[str], number: int) -> tuple[re.Match[str] | None, int]:
    """Return the comment for a line, and the number of its own line."""
    if 0 < number <= len(lines) and (match := COMMENT.search(lines[number - 1])):
        return match, number
    above = number - 1
    if 0 < above <= len(lines) and lines[above - 1].lstrip().startswith("#"):
        return COMMENT.search(lines[above - 1]), above
    return None, number
