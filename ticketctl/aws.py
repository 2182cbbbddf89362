"""What settings that need AWS share: boto3, imported by the first of them, and its failures in words."""

from typing import Any

from ticketctl.errors import ConfigError


def session(needed_by: str) -> Any:
    """A session with the credentials of where this runs. Raises ConfigError where boto3 is not installed."""
    try:
        import boto3
    except ImportError:
        raise ConfigError(
            f"{needed_by} needs boto3, which is not installed", hint="pip install 'ticketctl[aws]'"
        ) from None
    return boto3.Session()
