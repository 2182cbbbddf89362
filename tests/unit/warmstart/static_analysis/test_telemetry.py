"""Libraries that send from a thread of their own."""

import pytest

from ticketctl.warmstart.static_analysis.analyzer import analyze

RULE = "unflushed-telemetry"
HANDLER = "def handler(event, context):\n    return event\n"
SENTRY = "import sentry_sdk\nsentry_sdk.init(dsn='x')\n"
SPANS = (
    "from opentelemetry.sdk.trace.export import BatchSpanProcessor\nfrom opentelemetry import trace\n"
    "trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(exporter))\n"
)
POSTHOG = "from posthog import Posthog\nclient = Posthog('key'{})\n"

FAULTS = {
    "Sentry": (SENTRY + HANDLER, 2),
    "Sentry in a function": (
        "import sentry_sdk\ndef start():\n    sentry_sdk.init()\nstart()\n" + HANDLER,
        3,
    ),
    "spans": (SPANS + HANDLER, 3),
    "metrics": (
        "from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader as Reader\nreader = Reader(exporter)\n"
        + HANDLER,
        2,
    ),
    "PostHog": (POSTHOG.format("") + HANDLER, 2),
    "Segment": (
        "import segment.analytics as analytics\ndef handler(event, context):\n    analytics.track('user', 'event')\n",
        3,
    ),
    "a decorator": (
        "import langsmith\n@langsmith.traceable\ndef ask(): ...\ndef handler(event, context):\n    ask()\n",
        2,
    ),
    "Langfuse": ("import langfuse\nclient = langfuse.Langfuse()\n" + HANDLER, 2),
}
SOUND = {
    "the integration for Lambda": "from sentry_sdk.integrations.aws_lambda import AwsLambdaIntegration\nimport sentry_sdk\n"
    "sentry_sdk.init(integrations=[AwsLambdaIntegration()])\n" + HANDLER,
    "a flush": SENTRY
    + "def handler(event, context):\n    try:\n        return event\n    finally:\n        sentry_sdk.flush()\n",
    "spans that are flushed": SPANS
    + "def handler(event, context):\n    trace.get_tracer_provider().force_flush()\n",
    "spans that are sent at once": SPANS.replace("Batch", "Simple") + HANDLER,
    "PostHog without a thread": POSTHOG.format(", sync_mode=True") + HANDLER,
    "a function that no handler calls": "import sentry_sdk\ndef main():\n    sentry_sdk.init()\n"
    + HANDLER
    + "if __name__ == '__main__':\n    main()\n",
    "a function of this project": "def init(): ...\ninit()\n" + HANDLER,
}


@pytest.fixture
def check(write):
    def checked(source):
        found = analyze(write({"app.py": source}), "app.handler", version=lambda _: None).findings
        return [(one.line, one.rule, one.breaks) for one in found]

    return checked


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_not_flushed_is_found(check, name):
    source, line = FAULTS[name]
    assert check(source) == [(line, RULE, False)]


@pytest.mark.parametrize("name", SOUND)
def test_what_is_flushed_is_no_finding(check, name):
    assert check(SOUND[name]) == []
