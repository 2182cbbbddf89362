"""The template's numbers, and what it says and does not say."""

import re

import pytest
from samtranslator.yaml_helper import yaml_parse

from ticketctl.deployment.target import Architecture, Target
from ticketctl.deployment.template import TEMPLATE, render_stack
from ticketctl.diagnostics.queue_checks import check_queue
from ticketctl.errors import ConfigError
from ticketctl.settings import NAMES, Settings
from ticketctl.tickets.queue_protocols import QueuePolicy

TARGET = Target("3.13", Architecture.ARM64)
SECRETS = {
    "database_url": "postgresql://me:hunter2@db.example.com/tickets",
    "ai_api_key": "hunter2",
}


def template(**chosen):
    return yaml_parse(render_stack(Settings(**chosen), TARGET)[TEMPLATE])


def resources(**chosen):
    return {name: one["Properties"] for name, one in template(**chosen)["Resources"].items()}


@pytest.mark.parametrize(("function_timeout", "window"), [(30, 0), (1, 0), (28, 12), (900, 300)])
def test_the_visibility_timeout_follows_from_function_and_window(function_timeout, window):
    chosen = {"function_timeout": function_timeout, "window": window, "shutdown_reserve": 0.5}
    made = resources(**chosen)
    hidden = made["TicketQueue"]["VisibilityTimeout"]
    assert hidden == 6 * function_timeout + window
    assert made["WorkerFunction"]["Timeout"] == function_timeout
    source = made["WorkerFunction"]["Events"]["Tickets"]["Properties"]
    assert source["MaximumBatchingWindowInSeconds"] == window
    told = template(**chosen)["Globals"]["Function"]["Environment"]["Variables"]
    assert float(told["TICKETCTL_VISIBILITY_TIMEOUT"]) == hidden
    queue = QueuePolicy(
        visibility_timeout=hidden, max_receive_count=made["TicketQueue"]["RedrivePolicy"]["maxReceiveCount"]
    )
    assert check_queue(Settings(**chosen), queue, None) == []


def test_a_visibility_timeout_of_ones_own_does_not_win():
    assert resources(visibility_timeout=5)["TicketQueue"]["VisibilityTimeout"] == 180


def test_batches_go_as_they_are_chosen():
    source = resources(batch_size=100, window=5, concurrency=40)["WorkerFunction"]["Events"]["Tickets"]
    assert source["Properties"] == {
        "Queue": {"Fn::GetAtt": ["TicketQueue", "Arn"]},
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 5,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 40},
    }


def test_lambdas_smallest_concurrency_takes_the_place_of_one():
    source = resources(concurrency=1)["WorkerFunction"]["Events"]["Tickets"]["Properties"]
    assert source["ScalingConfig"] == {"MaximumConcurrency": 2}


@pytest.mark.parametrize(
    ("chosen", "cause"),
    [
        ({"pool": "queue"}, "pool queue"),
        ({"pool": "nonsense"}, "no pool nonsense"),
        ({"function_timeout": 901}, "function_timeout"),
        ({"function_timeout": 2.5}, "function_timeout"),
        ({"window": 0.5}, "window"),
        ({"batch_size": 11}, "window"),
        ({"batch_size": 10_001, "window": 1}, "batch_size"),
        ({"concurrency": 1001}, "concurrency"),
        ({"max_receive_count": 4}, "4 deliveries"),
        ({"function_timeout": 2}, "leaves no time to process a ticket"),
    ],
)
def test_what_does_not_fit_is_refused(chosen, cause):
    with pytest.raises(ConfigError, match=cause) as refused:
        render_stack(Settings(**chosen), TARGET)
    assert refused.value.hint


def test_no_secret_and_nothing_of_this_machine_is_written():
    here = Settings(**SECRETS, home="/home/me", taxonomy="/home/me/taxonomy.toml", cache="/home/me/cache")
    text = "".join(render_stack(here, TARGET).values())
    assert "hunter2" not in text
    assert "/home/me" not in text


def test_settings_of_ones_own_go_with_it():
    chosen = {
        "ai_base_url": "http://llm.internal/v1",
        "ai_model_classify": 'a "model" of %pool',
    }
    told = template(**chosen, redact=False)["Globals"]["Function"]["Environment"]["Variables"]
    assert {name: told[f"TICKETCTL_{name.upper()}"] for name in chosen} == chosen
    assert told["TICKETCTL_REDACT"] == "False"
    assert template()["Globals"]["Function"]["Environment"]["Variables"].keys() < told.keys()


@pytest.mark.parametrize(
    ("url", "auth", "action"),
    [
        ("https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "auto", "bedrock:InvokeModel"),
        ("https://bedrock-mantle.us-east-1.api.aws/openai/v1", "auto", "bedrock-mantle:CreateInference"),
        ("https://llm.internal/v1", "aws", "bedrock:InvokeModel"),
        ("https://llm.internal/v1", "auto", None),
    ],
)
def test_the_worker_may_call_bedrock_only_if_it_is_the_provider(url, auth, action):
    made = template(ai_provider="openai", ai_base_url=url, ai_auth=auth, ai_model="m")
    (policy,) = made["Resources"]["WorkerRole"]["Properties"]["Policies"]
    actions = [one["Action"] for one in policy["PolicyDocument"]["Statement"] if "Action" in one]
    granted = [one for one in actions if isinstance(one, str) and one.startswith("bedrock")]
    assert granted == ([action] if action else [])


def test_the_ai_provider_is_a_parameter_and_its_key_a_secret():
    made = template(ai_provider="anthropic", ai_model="a-1", ai_api_key="hunter2")
    parameters = {
        name: one["Default"]
        for name, one in made["Parameters"].items()
        if name in {"AiProvider", "AiModel", "AiKeySecretArn"}
    }
    assert parameters == {"AiProvider": "anthropic", "AiModel": "a-1", "AiKeySecretArn": ""}
    variables = made["Resources"]["WorkerFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["TICKETCTL_AI_PROVIDER"] == {"Ref": "AiProvider"}
    assert "AiKeySecretArn" in str(variables["TICKETCTL_AI_API_KEY_SECRET_ARN"])
    needs = str(made["Rules"]["AiProviderIsComplete"]["Assertions"])
    assert "AiKeySecretArn" in needs
    assert "AiKeySecretArn" not in str(template(ai_base_url="http://llm.internal/v1")["Rules"])


def test_its_variables_are_settings():
    everything = render_stack(Settings(), TARGET)[TEMPLATE]
    named = set(re.findall(r"TICKETCTL_([A-Z_]+):", everything))
    assert named <= {name.upper() for name in NAMES}


def test_the_packages_are_those_of_its_python_and_processor():
    made = template()
    assert made["Globals"]["Function"]["Runtime"] == "python3.13"
    assert made["Globals"]["Function"]["Architectures"] == ["arm64"]
    assert made["Globals"]["Function"]["CodeUri"] == "build/worker-python3.13-arm64.zip"
    assert resources()["ApiFunction"]["CodeUri"] == "build/api-python3.13-arm64.zip"


def test_concurrency_tracing_and_collector_are_parameters_and_off():
    made = template(concurrency=7)
    off = {
        name: made["Parameters"][name]["Default"]
        for name in ("ReserveWorkerConcurrency", "ApiConcurrency", "Tracing", "OtlpEndpoint")
    }
    assert off == {
        "ReserveWorkerConcurrency": "false",
        "ApiConcurrency": 0,
        "Tracing": "PassThrough",
        "OtlpEndpoint": "",
    }
    worker = made["Resources"]["WorkerFunction"]["Properties"]
    assert worker["ReservedConcurrentExecutions"]["Fn::If"][:2] == ["ReservesWorker", 7]
    api = made["Resources"]["ApiFunction"]["Properties"]
    assert api["ReservedConcurrentExecutions"]["Fn::If"][:2] == ["LimitsApi", {"Ref": "ApiConcurrency"}]
    assert made["Globals"]["Function"]["Tracing"] == {"Ref": "Tracing"}
    variables = made["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"]["Fn::If"][:2] == ["HasCollector", {"Ref": "OtlpEndpoint"}]


@pytest.mark.parametrize("part", ["Outbox", "Migration"])
def test_a_failed_asynchronous_invocation_goes_to_a_queue(part):
    made = resources()
    destination = {"Fn::GetAtt": ["FailedInvocations", "Arn"]}
    configured = {
        "Outbox": made["OutboxFunction"].get("EventInvokeConfig"),
        "Migration": made["MigrationInvocations"],
    }[part]
    assert configured["DestinationConfig"]["OnFailure"]["Destination"] == destination
    (policy,) = made[f"{part}Role"]["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    assert [
        one
        for one in statements
        if "SendMessage" in one["Action"] and str(destination) in str(one["Resource"])
    ]


def test_every_function_keeps_its_logs_for_so_long_and_has_a_role_of_its_own():
    made = template()["Resources"]
    functions = {name: one for name, one in made.items() if one["Type"] == "AWS::Serverless::Function"}
    assert functions.keys() == {"WorkerFunction", "OutboxFunction", "ApiFunction", "MigrationFunction"}
    for name, function in functions.items():
        part = name.removesuffix("Function")
        assert function["Properties"]["LoggingConfig"] == {"LogGroup": {"Ref": f"{part}Logs"}}
        assert made[f"{part}Logs"]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
        assert function["Properties"]["Role"] == {"Fn::GetAtt": [f"{part}Role", "Arn"]}


def test_roles_allow_single_actions_on_single_resources():
    for name, one in template()["Resources"].items():
        properties = one["Properties"]
        policies = [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
        policies += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
        for policy in policies:
            assert "*" not in str(policy), name


def test_every_parameter_is_documented():
    made = template()
    grouped = made["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in grouped for name in group["Parameters"]) == sorted(made["Parameters"])
    assert all(one["Description"] for one in made["Parameters"].values())
