"""Requests to SQS. boto3 is synchronous, so each request runs in a thread."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ticketctl import aws
from ticketctl.errors import ConfigError, QueueError
from ticketctl.tickets.messages import REGION

_AWS_HOST = re.compile(r"(?:[a-z]+\.)?sqs(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws|api)\.")


class SqsClient:
    """A client for the region or endpoint of one queue's URL; boto3 is imported with the first request."""

    def __init__(self, url: str) -> None:
        self.url = _check_url(url)
        self._client: Any = None

    async def call(self, name: str, **parameters: object) -> dict[str, Any]:
        """Call an operation by boto3's name for it and return its answer. Raises QueueError."""
        return await asyncio.to_thread(self._request, name, parameters)

    def _request(self, name: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        if self._client is None:
            self._client = _make_client(self.url)
        from botocore import exceptions

        try:
            answer: dict[str, Any] = getattr(self._client, name)(**parameters)
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
            raise QueueError(
                f"no credentials for the queue {self.url}: {error}",
                hint="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ) from error
        except exceptions.ClientError as error:
            details = error.response.get("Error", {})
            raise QueueError(
                f"the queue {self.url} refused: {details.get('Code')}: {details.get('Message')}",
                hint="is TICKETCTL_QUEUE_URL correct, and may these credentials use the queue?",
            ) from error
        except exceptions.BotoCoreError as error:
            raise QueueError(
                f"the queue {self.url} cannot be reached: {error}", hint="is TICKETCTL_QUEUE_URL correct?"
            ) from error
        return answer


def get_region(url: str) -> str | None:
    """Return the region that a queue's URL names; None for a host that is not AWS's."""
    host = _AWS_HOST.match(urlsplit(url).hostname or "")
    return host[1] if host else None


def _check_url(url: str) -> str:
    """Return the URL if it has the form `https://host/account/name`. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.path.count("/") > 1
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ConfigError(
            "TICKETCTL_QUEUE_URL is not the URL of a queue",
            hint="it looks like https://sqs.eu-central-1.amazonaws.com/123456789012/tickets",
        )
    return url


def _make_client(url: str) -> Any:
    """Make a client. For a host of AWS the host determines the region; any other host is the endpoint."""
    session = aws.session("TICKETCTL_QUEUE_URL")
    from botocore.config import Config

    parts = urlsplit(url)
    region = get_region(url)
    return session.client(
        "sqs",
        region_name=region or session.region_name or REGION,
        endpoint_url=None if region else f"{parts.scheme}://{parts.netloc}",
        config=Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "max_attempts": 2}),
    )
