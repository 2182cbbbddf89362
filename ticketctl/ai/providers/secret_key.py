"""The AI provider's key in AWS Secrets Manager."""

import asyncio
import json
import re
from threading import Lock

from ticketctl import aws
from ticketctl.ai.providers.error_responses import AccountRefusedError

SECRET = "TICKETCTL_AI_API_KEY_SECRET_ARN"  # noqa: S105  (a setting's name)
_TIMEOUT = 5.0
"""Seconds for a connection to Secrets Manager, and for its answer."""
_KEY = re.compile(r"[!-~]+")
_HINT = 'the secret is the key itself, or JSON with the member "api_key"'


class SecretKey:
    """The key in a secret. It is fetched when it is needed first, and again when the server has refused it.

    boto3 is synchronous, so the fetch runs in a thread; concurrent callers share one. The lock is a threading lock, not
    an asyncio one, because the key outlives the event loops that use it.
    """

    def __init__(self, arn: str) -> None:
        self._arn = arn
        self._lock = Lock()
        self._cached: str | None = None

    async def current(self, *, refused: str | None = None) -> str:
        """Return the key; `refused` is a key that the server did not accept.

        Raises:
            AccountRefusedError: Secrets Manager does not give a key.
            ConfigError: boto3 is not installed.
        """
        cached = self._cached
        if cached is not None and cached != refused:
            return cached
        return await asyncio.to_thread(self._fetch, refused)

    def _fetch(self, refused: str | None) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        with self._lock:
            if self._cached is None or self._cached == refused:
                try:
                    text = aws.fetch_secret(self._arn, needed_by=SECRET, timeout=_TIMEOUT)
                except (BotoCoreError, ClientError) as error:
                    raise AccountRefusedError(
                        f"Secrets Manager gave no key for the AI provider: {error}",
                        status=0,
                        hint="are AWS credentials configured, and do they allow it?",
                    ) from error
                self._cached = parse_key(text)
            return self._cached


def parse_key(secret: str | None) -> str:
    """Return the key in the text of a secret. Raises AccountRefusedError."""
    try:
        content = json.loads(secret or "")
    except ValueError:
        content = secret
    key = content.get("api_key") if isinstance(content, dict) else secret
    if not isinstance(key, str) or not _KEY.fullmatch(key.strip()):
        raise AccountRefusedError("the secret holds no key for the AI provider", status=0, hint=_HINT)
    return key.strip()
