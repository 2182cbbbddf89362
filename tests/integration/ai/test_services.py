"""Services with their own addresses, authentication or parameters, as their documentation describes them."""

import datetime as dt
import hashlib
import hmac
import json
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from tests.integration.ai.misbehaviours import ANSWER, EXTRA_FORBIDDEN, GOOD, completion
from tests.integration.ai.provider_server import chat, claude, failing, hanging, http, provider_server, raw
from ticketctl.ai.budget import Budget
from ticketctl.ai.evaluation.runner import ticket_from_text
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.providers.authentication import KeyHeader, is_azure, is_bedrock, make_authentication
from ticketctl.ai.providers.http_client import MAX_RESPONSE_BYTES, open_client
from ticketctl.ai.providers.llm import LlmProvider
from ticketctl.ai.providers.llm_settings import LlmSettings
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.errors import ConfigError
from ticketctl.tickets.pricing import Price

TAXONOMY = default_taxonomy()
TICKET = ticket_from_text("I was charged twice, see invoice INV-2024-001")


@pytest.fixture
async def server():
    async with provider_server() as server:
        server.replies = [chat(ANSWER)]
        yield server


@pytest.fixture
async def classify(server):
    """Classify tickets through a provider with the given settings; each provider remembers what it learned."""
    clients = []

    async def sleep(_seconds):
        pass

    def make(path="", budget=None, **changes):
        usual = {"provider": "openai", "model": "m-1", "api_key": "secret", "base_url": server.url + path}
        clients.append(open_client(changes.get("timeout", 30.0)))
        provider = LlmProvider(
            LlmSettings(**(usual | changes)),
            TAXONOMY,
            OfflineProvider(TAXONOMY),
            clients[-1],
            budget or Budget({}),
            sleep=sleep,
        )

        async def run(ticket=TICKET):
            return await provider.classify(ticket)

        return run

    yield make
    for client in clients:
        await client.aclose()


# Azure OpenAI: https://learn.microsoft.com/azure/ai-foundry/openai/reference


@pytest.mark.parametrize(
    ("base", "model", "path"),
    [
        ("", "gpt 4o", "/openai/deployments/gpt%204o/chat/completions?api-version=2024-10-21"),
        ("/openai", "m-1", "/openai/deployments/m-1/chat/completions?api-version=2024-10-21"),
        ("/openai/deployments/own", "m-1", "/openai/deployments/own/chat/completions?api-version=2024-10-21"),
        ("/openai/v1/", "m-1", "/openai/v1/chat/completions?api-version=2024-10-21"),
    ],
)
async def test_azure_has_deployments_versions_and_a_header_for_the_key(server, classify, base, model, path):
    server.url = server.url.removesuffix("/v1")
    output = (await classify(base, model=model, api_version="2024-10-21")()).output
    assert not output.degraded
    (request,) = server.requests
    assert request.path == path
    assert request.headers["api-key"] == "secret"
    assert "authorization" not in request.headers


async def test_azure_without_a_version_takes_the_v1_address_only():
    azure = {"provider": "openai", "model": "m", "api_key": "k"}
    with pytest.raises(ConfigError, match="needs an API version") as error:
        LlmSettings(**azure, base_url="https://mine.openai.azure.com")
    assert "TICKETCTL_AI_API_VERSION" in error.value.hint
    settings = LlmSettings(**azure, base_url="https://mine.openai.azure.com/openai/v1")
    assert settings.make_authentication() == KeyHeader("api-key", "k")


async def test_the_key_of_azure_is_masked_in_errors(server, classify):
    server.replies = [failing(401, {"error": {"message": "the key secret is wrong"}})]
    output = (await classify(auth="api-key")()).output
    assert "the key ******** is wrong" in output.review[-1]


@pytest.mark.parametrize(
    ("url", "azure", "bedrock"),
    [
        ("https://mine.openai.azure.com/openai/v1", True, False),
        ("https://mine.cognitiveservices.azure.com", True, False),
        ("https://mine.services.ai.azure.com", True, False),
        ("https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1", False, True),
        ("https://bedrock-runtime-fips.us-east-1.amazonaws.com/openai/v1", False, True),
        ("https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com/openai/v1", False, True),
        ("https://bedrock-mantle.us-west-2.api.aws/openai/v1", False, True),
        ("https://openai.azure.com.example.com/v1", False, False),
        ("http://[::1", False, False),
    ],
)
def test_services_are_recognised_by_their_host(url, azure, bedrock):
    assert (is_azure(url), is_bedrock(url)) == (azure, bedrock)


@pytest.mark.parametrize(
    ("method", "provider", "header"),
    [
        ("auto", "openai", ("authorization", "Bearer k")),
        ("auto", "anthropic", ("x-api-key", "k")),
        ("bearer", "anthropic", ("authorization", "Bearer k")),
        ("api-key", "openai", ("api-key", "k")),
    ],
)
def test_the_key_has_the_header_of_the_service(method, provider, header):
    made = make_authentication(
        method, provider=provider, base_url="https://example.com", api_key="k", api_version=None
    )
    assert made == KeyHeader(*header)
    assert "k'" not in repr(made)


# Amazon Bedrock: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html


def signature(request, region, service, secret):
    """Compute the signature of a request from its headers, independently of botocore."""
    scheme, _, fields = request.headers["authorization"].partition(" ")
    assert scheme == "AWS4-HMAC-SHA256"
    parts = dict(part.strip().split("=", 1) for part in fields.split(","))
    names = parts["SignedHeaders"].split(";")
    url = urlsplit(request.path)
    query = "&".join(
        f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(parse_qsl(url.query))
    )
    canonical = "\n".join(
        [
            "POST",
            quote(url.path, safe="/-_.~"),
            query,
            *(f"{name}:{request.headers[name].strip()}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(request.content).hexdigest(),
        ]
    )
    when = request.headers["x-amz-date"]
    scope = f"{when[:8]}/{region}/{service}/aws4_request"
    assert parts["Credential"] == f"AKIDTEST/{scope}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{scheme}\n{when}\n{scope}\n{digest}"
    return parts["Signature"], hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@pytest.fixture
def role(monkeypatch, aws_credentials):  # noqa: ARG001 - role replaces some of them
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "role-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "role-token")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@pytest.mark.usefixtures("role")
async def test_bedrock_requests_are_signed_with_the_execution_role(server, classify):
    output = (await classify(api_key=None, auth="aws")()).output
    assert not output.degraded
    (request,) = server.requests
    assert request.headers["x-amz-security-token"] == "role-token"
    sent, expected = signature(request, "eu-central-1", "bedrock", "role-secret")
    assert sent == expected
    signed_at = dt.datetime.strptime(request.headers["x-amz-date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
    assert abs(dt.datetime.now(dt.UTC) - signed_at) < dt.timedelta(minutes=1)


@pytest.mark.usefixtures("role")
async def test_each_attempt_is_signed_anew(server, classify):
    server.replies = [failing(500, {"error": "x"}), chat(ANSWER)]
    await classify(api_key=None, auth="aws")()
    for request in server.requests:
        sent, expected = signature(request, "eu-central-1", "bedrock", "role-secret")
        assert sent == expected


@pytest.mark.usefixtures("role")
def test_a_bedrock_host_decides_region_and_service():
    def make(url):
        return make_authentication("auto", provider="openai", base_url=url, api_key=None, api_version=None)

    runtime = make("https://bedrock-runtime.us-east-2.amazonaws.com/openai/v1")
    assert (runtime._service, runtime._region) == ("bedrock", "us-east-2")
    mantle = make("https://bedrock-mantle.us-west-2.api.aws/openai/v1")
    assert (mantle._service, mantle._region) == ("bedrock-mantle", "us-west-2")


def test_a_bedrock_api_key_is_a_bearer_token():
    url = "https://bedrock-runtime.us-east-2.amazonaws.com/openai/v1"
    made = make_authentication("auto", provider="openai", base_url=url, api_key="k", api_version=None)
    assert made == KeyHeader("authorization", "Bearer k")


@pytest.mark.usefixtures("role")
@pytest.mark.parametrize(
    ("missing", "message"), [("credentials", "needs credentials"), ("region", "needs a region")]
)
def test_bedrock_without_credentials_or_region_is_a_configuration_error(monkeypatch, missing, message):
    variables = {
        "credentials": ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"),
        "region": ("REGION", "DEFAULT_REGION"),
    }
    for variable in variables[missing]:
        monkeypatch.delenv(f"AWS_{variable}")
    with pytest.raises(ConfigError, match=message):
        make_authentication(
            "aws", provider="openai", base_url="https://x.example", api_key=None, api_version=None
        )


# what the client learns about a server


def forms(server):
    """Return the response format and the name of the token limit of each request."""
    return [
        (
            request.body.get("response_format", {}).get("type"),
            *(name for name in ("max_completion_tokens", "max_tokens") if name in request.body),
        )
        for request in server.requests
    ]


async def test_a_refused_token_limit_is_remembered(server, classify):
    refused = failing(422, {"object": "error", "message": {"detail": EXTRA_FORBIDDEN}})
    server.choose = lambda request: refused if "max_completion_tokens" in request.body else GOOD
    run = classify()
    await run()
    await run()
    assert forms(server) == [
        ("json_schema", "max_completion_tokens"),
        ("json_schema", "max_tokens"),
        ("json_schema", "max_tokens"),
    ]


async def test_an_ignored_token_limit_is_replaced(server, classify):
    server.replies = [
        completion({"role": "assistant", "content": json.dumps(ANSWER)}, usage={"completion_tokens": 2_001})
    ]
    run = classify()
    await run()
    await run()
    assert [limit for _, limit in forms(server)] == ["max_completion_tokens", "max_tokens"]


async def test_a_server_that_refuses_the_old_limit_keeps_the_new_one(server, classify):
    long = completion(
        {"role": "assistant", "content": json.dumps(ANSWER)}, usage={"completion_tokens": 2_001}
    )
    unsupported = failing(
        400,
        {"error": {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."}},
    )
    server.choose = lambda request: unsupported if "max_tokens" in request.body else long
    run = classify()
    for _ in range(3):
        assert not (await run()).output.degraded
    limits = [limit for _, limit in forms(server)]
    assert limits == ["max_completion_tokens", "max_tokens", "max_completion_tokens", "max_completion_tokens"]


async def test_a_refusal_of_one_ticket_changes_no_format(server, classify):
    refused = failing(400, {"error": {"message": "I do not like this text"}})
    server.choose = lambda request: (
        refused if "bomb" in str(request.body) and "response_format" in request.body else GOOD
    )
    run = classify()
    assert not (await run(ticket_from_text("There is a bomb in my invoice"))).output.degraded
    server.requests.clear()
    await run()
    assert forms(server) == [("json_schema", "max_completion_tokens")]


@pytest.mark.parametrize("code", ["content_filter", "context_length_exceeded"])
async def test_a_refusal_about_the_text_is_not_repeated_in_another_form(server, classify, code):
    server.replies = [failing(400, {"error": {"message": "no", "code": code}})]
    assert (await classify()()).output.degraded
    assert len(server.requests) == 1


async def test_a_format_refused_without_a_reason_is_remembered_after_three_tickets(server, classify):
    refused = failing(400, {"error": {"message": "Bad request"}})
    server.choose = lambda request: (
        refused if request.body.get("response_format", {}).get("type") == "json_schema" else GOOD
    )
    run = classify()
    for _ in range(4):
        await run()
    assert [name for name, _ in forms(server)] == ["json_schema", "json_object"] * 3 + ["json_object"]


async def test_anthropic_without_output_config_is_remembered(server, classify):
    refused = failing(
        400, {"type": "error", "error": {"type": "invalid_request_error", "message": "output_config: no"}}
    )
    server.choose = lambda request: refused if "output_config" in request.body else claude(ANSWER)
    run = classify(provider="anthropic")
    await run()
    await run()
    assert ["output_config" in request.body for request in server.requests] == [True, False, False]
    assert '"enum"' in server.requests[1].body["system"]


# what may have been billed


@pytest.mark.parametrize(
    ("reply", "requests", "seconds"),
    [
        (hanging, 3, 0.3),
        (raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"), 3, 30.0),
        (http(200, b" " * (MAX_RESPONSE_BYTES + 1)), 1, 30.0),
    ],
    ids=["a timeout", "a body cut off", "an answer that is too long"],
)
async def test_requests_without_a_response_count_as_billed(server, classify, reply, requests, seconds):
    server.replies = [reply]
    budget = Budget({"m-1": Price(input=0.0, output=1.0)}, limit=1.0)
    response = await classify(budget=budget, retries=2, max_tokens=1_000, timeout=seconds)()
    assert response.output.degraded
    assert response.output_tokens == 1_000 * requests
    assert 0 < response.input_tokens < 5_000
    assert response.model == "offline-4 for m-1"
    assert budget.spent == pytest.approx(0.001 * requests)


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_refused_requests_do_not_count_as_billed(server, classify, status):
    server.replies = [failing(status, {"error": "no"})]
    response = await classify()()
    assert (response.input_tokens, response.output_tokens) == (0, 0)
