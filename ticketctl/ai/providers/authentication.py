"""Authenticate requests to an AI provider: a key in a header, or AWS Signature Version 4.

Azure OpenAI takes the header `api-key`, Anthropic `x-api-key`, everything else `authorization: Bearer`:
https://learn.microsoft.com/azure/ai-foundry/openai/reference
https://platform.claude.com/docs/en/api/overview

Amazon Bedrock's OpenAI endpoints take a Bedrock API key as a bearer token, or a signature with the credentials of the
execution role: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from ticketctl import aws
from ticketctl.ai.providers.error_responses import AccountRefusedError
from ticketctl.ai.providers.secret_key import SecretKey
from ticketctl.errors import ConfigError

Method = Literal["auto", "bearer", "api-key", "aws"]

_AZURE_HOST = re.compile(r"\.(openai\.azure|cognitiveservices\.azure|services\.ai\.azure)\.(com|us|cn)$")
_BEDROCK_HOST = re.compile(r"(?:^|\.)(bedrock-runtime|bedrock-mantle)(?:-fips)?\.([a-z0-9-]+)\.")
_SIGNING_NAMES = {"bedrock-runtime": "bedrock", "bedrock-mantle": "bedrock-mantle"}


class Authentication(Protocol):
    """Makes the headers that authenticate one request."""

    async def headers(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Return the headers to add to a POST request. Raises AccountRefusedError without credentials."""

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Return whether there are other credentials than those of the `refused` headers."""


class NoAuthentication(NamedTuple):
    """For servers that need no key."""

    async def headers(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:  # noqa: ARG002  (the protocol's)
        """Return no headers."""
        return {}

    async def renew(self, refused: Mapping[str, str]) -> bool:  # noqa: ARG002  (the protocol's)
        """Return False."""
        return False


class KeyHeader(NamedTuple):
    """Sends the same header with every request."""

    name: str
    value: str

    def __repr__(self) -> str:
        """Hide the key."""
        return f"KeyHeader(name={self.name!r})"

    async def headers(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:  # noqa: ARG002  (the protocol's)
        """Return the header."""
        return {self.name: self.value}

    async def renew(self, refused: Mapping[str, str]) -> bool:  # noqa: ARG002  (the protocol's)
        """Return False: the key is a setting."""
        return False


class SecretKeyHeader:
    """Sends a key that is in AWS Secrets Manager; fetches it once, and again if the server refuses it."""

    def __init__(self, name: str, prefix: str, key: SecretKey) -> None:
        self._name = name
        self._prefix = prefix
        self._key = key

    async def headers(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:  # noqa: ARG002  (the protocol's)
        """Return the header with the key."""
        return {self._name: f"{self._prefix}{await self._key.current()}"}

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Fetch the secret again; return whether it has another key by now."""
        key = refused.get(self._name, "").removeprefix(self._prefix)
        return await self._key.current(refused=key) != key


class AwsSignature:
    """Signs each request with AWS Signature Version 4, by botocore's signer and boto3's credentials."""

    def __init__(self, base_url: str) -> None:
        """Raise ConfigError if boto3, the region or the credentials are missing."""
        session = aws.session("the AI provider on AWS")
        service, region = _bedrock_endpoint(base_url)
        self._service = service or "bedrock"
        self._region = region or session.region_name
        if self._region is None:
            raise ConfigError("the AI provider on AWS needs a region", hint="set AWS_REGION")
        self._credentials = session.get_credentials()
        if self._credentials is None:
            raise ConfigError(
                "the AI provider on AWS needs credentials",
                hint="use an execution role or a profile, or set TICKETCTL_AI_API_KEY to a Bedrock API key",
            )

    async def headers(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """Return the headers of the signature, which holds for five minutes: every attempt needs a new one."""
        # temporary credentials may need a refresh over the network, which botocore does in the calling thread
        return await asyncio.to_thread(self._sign, url, headers, body)

    async def renew(self, refused: Mapping[str, str]) -> bool:  # noqa: ARG002  (the protocol's)
        """Return False: boto3 renews the credentials before they expire."""
        return False

    def _sign(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError

        request: Any = AWSRequest(method="POST", url=url, data=body, headers=dict(headers))
        try:
            credentials = self._credentials.get_frozen_credentials()
            SigV4Auth(credentials, self._service, self._region).add_auth(request)
        except BotoCoreError as error:
            raise AccountRefusedError(
                f"there are no AWS credentials for the AI provider: {error}", status=0, hint="check the role"
            ) from error
        return {name: value for name, value in request.headers.items() if name not in headers}


def make_authentication(
    method: Method,
    *,
    provider: str,
    base_url: str,
    api_key: str | None,
    api_version: str | None,
    secret_arn: str | None = None,
) -> Authentication:
    """Return how to authenticate to a server; `auto` decides by the provider and the server's name.

    The key is `api_key`, or in the secret of `secret_arn`.

    Raises:
        ConfigError: The server needs AWS credentials, and there are none.
    """
    if method == "aws" or (method == "auto" and not api_key and secret_arn is None and is_bedrock(base_url)):
        return AwsSignature(base_url)
    if not api_key and secret_arn is None:
        return NoAuthentication()
    name, prefix = "authorization", "Bearer "
    if method == "auto" and provider == "anthropic":
        name, prefix = "x-api-key", ""
    elif method == "api-key" or (method == "auto" and (api_version is not None or is_azure(base_url))):
        name, prefix = "api-key", ""
    if secret_arn is not None:
        return SecretKeyHeader(name, prefix, SecretKey(secret_arn))
    return KeyHeader(name, f"{prefix}{api_key}")


def is_azure(base_url: str) -> bool:
    """Whether the server is one of Azure's."""
    return _AZURE_HOST.search(_host(base_url)) is not None


def is_bedrock(base_url: str) -> bool:
    """Whether the server is one of Amazon Bedrock's."""
    return _bedrock_endpoint(base_url) != (None, None)


def _bedrock_endpoint(base_url: str) -> tuple[str | None, str | None]:
    """Return the signing name and the region of a Bedrock endpoint, public or in a VPC; None for other servers."""
    found = _BEDROCK_HOST.search(_host(base_url))
    return (_SIGNING_NAMES[found[1]], found[2]) if found else (None, None)


def _host(url: str) -> str:
    """Return the host of a URL; nothing if it has none, which the first request reports."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
