"""The AI provider's key in AWS Secrets Manager (moto's server), sent to a real HTTP server."""

import json
from uuid import uuid4

import boto3
import pytest

from tests.integration.ai.misbehaviours import ANSWER
from tests.integration.ai.provider_server import chat, failing, provider_server
from ticketctl.ai.evaluation.runner import ticket_from_text
from ticketctl.ai.providers.factory import ProviderFactory
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.errors import ConfigError
from ticketctl.settings import Settings

REGION = "eu-central-1"
UNKNOWN = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:none-AbCdEf"
TICKET = ticket_from_text("I was charged twice, see invoice INV-2024-001")
WRONG_KEY = failing(401, {"error": {"message": "wrong key"}})

pytestmark = pytest.mark.usefixtures("aws_credentials")


@pytest.fixture
def secrets(aws, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws)
    return boto3.client("secretsmanager", region_name=REGION, endpoint_url=aws)


@pytest.fixture
async def server():
    async with provider_server() as server:
        server.replies = [chat(ANSWER)]
        yield server


def make(server, arn, **changes):
    settings = Settings(
        ai_provider="openai",
        ai_model="m-1",
        ai_base_url=server.url,
        ai_api_key_secret_arn=arn,
        **changes,
    )
    return ProviderFactory(settings, default_taxonomy())


def store(secrets, text):
    return secrets.create_secret(Name=uuid4().hex, SecretString=text)["ARN"]


async def classify(factory):
    async with factory.open_provider() as provider:
        return (await provider.classify(TICKET)).output


@pytest.mark.parametrize("text", ["first", " first\n", json.dumps({"api_key": "first"})])
async def test_the_key_of_the_secret_is_sent_and_fetched_once(secrets, server, text):
    arn = store(secrets, text)
    factory = make(server, arn)
    await classify(factory)
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    output = await classify(factory)  # through another client, as on another event loop
    assert not output.degraded
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer first"] * 2


async def test_a_refused_key_is_fetched_again(secrets, server):
    arn = store(secrets, "first")
    factory = make(server, arn)
    await classify(factory)
    secrets.put_secret_value(SecretId=arn, SecretString="second")
    server.replies = [WRONG_KEY, chat(ANSWER)]
    output = await classify(factory)
    assert not output.degraded
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer first", "Bearer first", "Bearer second"]


async def test_a_key_that_is_refused_although_it_is_new_leads_to_a_review(secrets, server):
    server.replies = [WRONG_KEY]
    output = await classify(make(server, store(secrets, "first")))
    assert output.degraded
    assert len(server.requests) == 1


@pytest.mark.parametrize("text", ["two words", "{}", '{"api_key": 5}', '{"api_key": ""}', "k\u00e9y"])
async def test_a_secret_without_a_key_leads_to_a_review(secrets, server, text):
    output = await classify(make(server, store(secrets, text)))
    assert output.degraded
    assert "the secret holds no key for the AI provider" in output.review[-1]
    assert server.requests == []


async def test_an_unknown_secret_leads_to_a_review(secrets, server):  # noqa: ARG001 - where to ask
    output = await classify(make(server, UNKNOWN))
    assert "Secrets Manager gave no key" in output.review[-1]


async def test_two_sources_of_the_key_are_refused(server):
    with pytest.raises(ConfigError, match="are both set"):
        make(server, UNKNOWN, ai_api_key="k")
