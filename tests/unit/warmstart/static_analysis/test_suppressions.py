import pytest

from ticketctl.warmstart.static_analysis.analyzer import analyze
from ticketctl.warmstart.static_analysis.doctor_config import DoctorConfigError, read_config
from ticketctl.warmstart.static_analysis.suppressions import apply_suppressions

SOURCE = "import asyncio, httpx\n{above}client = httpx.AsyncClient(){comment}\ndef handler(event, context):\n    asyncio.run(main())\n"


@pytest.mark.parametrize(
    ("above", "comment", "rules"),
    [
        ("", "", ["client-outlives-loop"]),
        ("", "  # ticketctl: ignore[client-outlives-loop] a script runs it once", []),
        ("# ticketctl: ignore[client-outlives-loop] a script runs it once\n", "", []),
        ("", "  # ticketctl: ignore[lost-task, client-outlives-loop]: a script runs it once", []),
        ("", "  # ticketctl: ignore[lost-task] another rule", ["client-outlives-loop"]),
        ("", "  # ticketctl: ignore[client-outlives-loop]", ["client-outlives-loop", "invalid-suppression"]),
        ("", "  # ticketctl: ignore[no-such-rule] why", ["client-outlives-loop", "invalid-suppression"]),
    ],
)
def test_a_comment_with_a_reason_suppresses_a_finding(write, above, comment, rules):
    analysis = analyze(write({"app.py": SOURCE.format(above=above, comment=comment)}), version=lambda _: None)
    assert [one.rule for one in apply_suppressions(analysis.findings, analysis.lines)] == rules


def test_the_configuration_selects_rules_and_files(write):
    folder = write(
        {
            "pyproject.toml": "[tool.ticketctl.doctor]\nignore = ['lost-task']\nexclude = ['examples/*']\n",
            "app.py": SOURCE.format(above="", comment=""),
            "examples/app.py": SOURCE.format(above="", comment=""),
        }
    )
    config = read_config(folder)
    findings = analyze(folder, version=lambda _: None).findings
    assert [one.file for one in findings if config.applies_to(one)] == ["app.py"]
    assert not [one for one in findings if config.override(select=("lost-task",), ignore=()).applies_to(one)]
    assert not [
        one
        for one in findings
        if config.override(select=(), ignore=("client-outlives-loop",)).applies_to(one)
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.ticketctl.doctor]\nselct = []\n", "no key 'selct'"),
        ("[tool.ticketctl.doctor]\nselect = 'lost-task'\n", "must be a list of strings"),
        ("[tool", "not valid TOML"),
    ],
)
def test_an_invalid_configuration_is_refused(write, text, message):
    with pytest.raises(DoctorConfigError, match=message):
        read_config(write({"pyproject.toml": text}))
