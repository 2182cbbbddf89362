"""What AWS's own tools say of the template, as it is written and as the SAM translator makes it."""

import json

import pytest

from ticketctl.deployment.target import Architecture, Target
from ticketctl.deployment.template import TEMPLATE, render_stack
from ticketctl.settings import Settings

REGION = "eu-central-1"
EXTREMES = {
    "function_timeout": 900,
    "window": 300,
    "batch_size": 10_000,
    "concurrency": 1000,
    "max_receive_count": 1000,
    "pool": "queue-pre-ping",
    "loop": "runner",
}
PACKAGED = "s3://bucket/package.zip"
"""What a deployment puts in the place of a package's path."""


class NoManagedPolicies:
    """The template names the policies of AWS's that it uses by their ARNs."""

    def load(self):
        return {}


BEDROCK = {
    "ai_provider": "openai",
    "ai_model": "m",
    "ai_base_url": "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1",
}


@pytest.fixture(
    params=[({}, "x86_64"), (EXTREMES, "arm64"), (BEDROCK, "arm64")], ids=["defaults", "extremes", "bedrock"]
)
def written(request):
    chosen, architecture = request.param
    # the newest Python, so that the one that runs the tests may grow old
    return render_stack(Settings(**chosen), Target("3.14", Architecture(architecture)))[TEMPLATE]


def translated(text):
    from samtranslator.translator.transform import transform
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse(text)
    template["Globals"]["Function"]["CodeUri"] = PACKAGED
    template["Resources"]["ApiFunction"]["Properties"]["CodeUri"] = PACKAGED
    return transform(template, {}, NoManagedPolicies())


def found(text):
    """Errors and warnings, and what is only told."""
    # imported here: every process that collects tests would take two seconds for it
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    return [str(one) for one in lint(text, config=ManualArgs(regions=[REGION], include_checks=["I"]))]


def test_nothing_is_wrong_as_it_is_written(written):
    assert found(written) == []


def test_nothing_is_wrong_with_what_sam_makes_of_it(written, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    made = translated(written)
    assert found(json.dumps(made)) == []
    source = made["Resources"]["WorkerFunctionTickets"]
    assert source["Type"] == "AWS::Lambda::EventSourceMapping"
    assert source["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    roles = {name for name, one in made["Resources"].items() if one["Type"] == "AWS::IAM::Role"}
    assert roles == {
        "WorkerRole",
        "OutboxRole",
        "ApiRole",
        "MigrationRole",
        "DatabaseProxyRole",
    }  # none of SAM's own


def test_whoever_calls_the_api_signs(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    written = render_stack(Settings(), Target("3.14", Architecture.X86_64))[TEMPLATE]
    paths = translated(written)["Resources"]["Api"]["Properties"]["Body"]["paths"]
    methods = [method for path in paths.values() for method in path.values()]
    assert methods
    assert all(method["security"] == [{"AWS_IAM": []}] for method in methods)
