"""How to reach a language model: server, model, authentication, limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ticketctl.ai.phone_numbers import DEFAULT_REGIONS
from ticketctl.ai.providers import anthropic, openai
from ticketctl.ai.providers.authentication import Authentication, Method, is_azure, make_authentication
from ticketctl.ai.providers.http_client import MAX_RESPONSE_SECONDS
from ticketctl.errors import ConfigError
from ticketctl.tickets.models import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """How to reach a model. `models` replaces `model` for single steps; times are in seconds.

    `timeout` bounds each wait for the next bytes, `max_response_seconds` a whole response. `redact` replaces e-mail
    addresses and phone numbers by placeholders; card and account numbers are always replaced, and national phone numbers are those of `phone_regions`. `auth` says how requests
    are authenticated, and `api_version` is Azure's. `raise_account_errors` makes a refusal of the whole account an
    error instead of a degraded response: an evaluation of the offline engine in place of the model would be useless.
    """

    provider: Literal["openai", "anthropic"]
    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    api_key_secret_arn: str | None = None
    api_version: str | None = None
    auth: Method = "auto"
    models: Mapping[Step, str] = field(default_factory=dict)
    timeout: float = 30.0
    max_response_seconds: float = MAX_RESPONSE_SECONDS
    retries: int = 3
    max_concurrency: int = 32
    max_tokens: int = 2_000
    redact: bool = True
    phone_regions: tuple[str, ...] = DEFAULT_REGIONS
    raise_account_errors: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError if a key or an API version is missing that the server needs."""
        if self.api_key and self.api_key_secret_arn:
            raise ConfigError(
                "TICKETCTL_AI_API_KEY and TICKETCTL_AI_API_KEY_SECRET_ARN are both set",
                hint="a key has one source: unset one",
            )
        if self.base_url is None and not (self.api_key or self.api_key_secret_arn):
            raise ConfigError(
                f"the AI provider {self.provider} needs a key",
                hint="set TICKETCTL_AI_API_KEY, or TICKETCTL_AI_BASE_URL to a server that needs none",
            )
        is_openai_on_azure = (
            self.provider == "openai" and self.base_url is not None and is_azure(self.base_url)
        )
        if (
            is_openai_on_azure
            and self.api_version is None
            and not str(self.base_url).rstrip("/").endswith("/v1")
        ):
            raise ConfigError(
                "Azure OpenAI needs an API version",
                hint="set TICKETCTL_AI_API_VERSION, like 2024-10-21, or end TICKETCTL_AI_BASE_URL in /openai/v1",
            )

    @property
    def url(self) -> str:
        """The server's address: the configured one, else the provider's own."""
        return self.base_url or (openai.BASE_URL if self.provider == "openai" else anthropic.BASE_URL)

    def make_authentication(self) -> Authentication:
        """Return how to authenticate. Raises ConfigError if the server needs AWS credentials and there are none."""
        return make_authentication(
            self.auth,
            provider=self.provider,
            base_url=self.url,
            api_key=self.api_key,
            api_version=self.api_version,
            secret_arn=self.api_key_secret_arn,
        )

    def model_for(self, step: Step) -> str:
        """Return the model that is asked for a step."""
        return self.models.get(step, self.model)
