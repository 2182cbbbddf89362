"""What the settings that need AWS share: boto3, imported by the first of them."""

from typing import Any

from ticketctl.errors import ConfigError


def session(needed_by: str) -> Any:
    """A session as the environment describes it.

    Raises:
        ConfigError: boto3 is not installed, or there is no such profile.
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
            f"{needed_by} needs AWS: {error}", hint="does AWS_PROFILE name one that is there?"
        ) from None
