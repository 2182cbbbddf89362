"""The boto3 session, imported when the first setting needs AWS."""

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
