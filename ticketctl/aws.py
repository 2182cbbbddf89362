"""boto3, imported when the first setting needs AWS: its session, and secrets of AWS Secrets Manager."""

import logging
from typing import Any

from ticketctl.errors import ConfigError


def session(needed_by: str) -> Any:
    """Return a session from the AWS environment variables; `needed_by` names the setting for errors.

    Raises:
        ConfigError: boto3 is not installed, or the profile does not exist.
    """
    try:
        import boto3
        from botocore.exceptions import ProfileNotFound
    except ImportError:
        raise ConfigError(
            f"{needed_by} needs boto3, which is not installed", hint="pip install 'ticketctl[aws]'"
        ) from None
    try:
        return boto3.Session()
    except ProfileNotFound as error:
        raise ConfigError(
            f"{needed_by} needs AWS: {error}", hint="set AWS_PROFILE to an existing profile, or unset it"
        ) from None


def fetch_secret(arn: str, *, needed_by: str, timeout: float) -> str | None:
    """Return the text of a secret's current version, None if it is binary; `timeout` is in seconds.

    Raises:
        ConfigError: boto3 is not installed, or the profile does not exist.
        BotoCoreError, ClientError: Secrets Manager cannot be reached, or refuses.
    """
    client_session = session(needed_by)
    from botocore.config import Config

    # at DEBUG, botocore logs the responses, which are secrets
    logging.getLogger("botocore").setLevel(logging.INFO)
    retries = {"mode": "standard", "max_attempts": 2}
    client = client_session.client(
        "secretsmanager",
        region_name=arn.split(":")[3],
        config=Config(connect_timeout=timeout, read_timeout=timeout, retries=retries),
    )
    text: str | None = client.get_secret_value(SecretId=arn).get("SecretString")
    return text
