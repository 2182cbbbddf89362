from pathlib import Path

from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog

from ticketctl.cli.rendering.source_findings import render_github, render_sarif
from ticketctl.warmstart.static_analysis.finding import SourceFinding

IN_FILE = SourceFinding(file="a,b.py", line=3, rule="lost-task", cause="100% lost\nat once", fix="Await it.")
SETTING = SourceFinding(
    file="TICKETCTL_POOL", line=0, rule="pool-outlives-loop", cause="It fails.", fix="Use null.", breaks=False
)


def test_github_commands_have_escaped_properties_and_text():
    first, second = render_github([IN_FILE, SETTING], Path("app"))
    assert first == "::error file=app/a%2Cb.py,line=3,title=lost-task::100%25 lost%0Aat once%0AFix: Await it."
    assert second == "::warning title=pool-outlives-loop::It fails.%0AFix: Use null."


def test_sarif_is_valid_by_its_schema():
    log = render_sarif([IN_FILE, SETTING], Path("app"), "1.0")
    SarifLog.model_validate(log)
    (run,) = log["runs"]
    in_file, setting = run["results"]
    rules = run["tool"]["driver"]["rules"]
    assert rules[in_file["ruleIndex"]]["id"] == "lost-task"
    assert rules[setting["ruleIndex"]]["id"] == "pool-outlives-loop"
    location = in_file["locations"][0]["physicalLocation"]
    assert location == {"artifactLocation": {"uri": "app/a,b.py"}, "region": {"startLine": 3}}
    assert "locations" not in setting
