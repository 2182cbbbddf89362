from ticketctl.diagnostics.queue_checks import check_queue
from ticketctl.settings import Settings
from ticketctl.tickets.queue_protocols import QueuePolicy

POLICY = QueuePolicy(visibility_timeout=180, max_receive_count=5)


def settings_at_fault(settings: Settings, policy: QueuePolicy = POLICY, limit: int = 97) -> list[str]:
    return [finding.setting for finding in check_queue(settings, policy, limit)]


def test_the_default_settings_have_no_findings() -> None:
    defaults = Settings()
    own = QueuePolicy(
        visibility_timeout=defaults.visibility_timeout, max_receive_count=defaults.max_receive_count
    )
    assert check_queue(defaults, own, 97) == []


def test_the_visibility_timeout_must_cover_six_invocations_and_the_window() -> None:
    fitting = Settings(function_timeout=28, window=12)
    assert settings_at_fault(fitting) == []
    assert settings_at_fault(Settings(function_timeout=28, window=12.1)) == ["visibility_timeout"]
    short = QueuePolicy(visibility_timeout=179, max_receive_count=5)
    assert settings_at_fault(Settings(), short) == ["visibility_timeout"]


def test_the_function_timeout_must_exceed_the_reserve() -> None:
    assert settings_at_fault(Settings(function_timeout=2, shutdown_reserve=2)) == ["shutdown_reserve"]
    assert settings_at_fault(Settings(function_timeout=2.5, shutdown_reserve=2)) == []


def test_five_deliveries_and_a_dead_letter_queue_are_required() -> None:
    few = QueuePolicy(visibility_timeout=180, max_receive_count=4)
    assert settings_at_fault(Settings(), few) == ["max_receive_count"]
    none = QueuePolicy(visibility_timeout=180, max_receive_count=None)
    assert settings_at_fault(Settings(), none) == ["queue_url"]


def test_the_connection_limit_must_cover_all_environments() -> None:
    assert settings_at_fault(Settings(concurrency=48, max_connections=2), limit=97) == []
    assert settings_at_fault(Settings(concurrency=49, max_connections=2), limit=97) == ["concurrency"]
    (finding,) = check_queue(Settings(concurrency=49, max_connections=2), POLICY, 97)
    assert "48" in finding.fix


def test_every_finding_has_cause_and_fix() -> None:
    worst = Settings(function_timeout=60, concurrency=1000)
    findings = check_queue(worst, QueuePolicy(visibility_timeout=1, max_receive_count=1), 97)
    assert len(findings) == 3
    assert all(finding.cause and finding.fix for finding in findings)
