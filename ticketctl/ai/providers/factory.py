"""Make the AI provider that the settings name: the offline engine once per process, an HTTP provider once per loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ticketctl.ai.budget import Budget
from ticketctl.ai.offline.provider import OfflineProvider
from ticketctl.ai.providers.account_status import AccountStatus
from ticketctl.ai.taxonomy.loader import default_taxonomy, load_taxonomy_file
from ticketctl.ai.taxonomy.schema import Taxonomy
from ticketctl.errors import ConfigError
from ticketctl.settings import Settings
from ticketctl.telemetry.protocols import OFF, Telemetry
from ticketctl.tickets.models import Step
from ticketctl.tickets.pricing import parse_prices
from ticketctl.tickets.protocols import Provider

if TYPE_CHECKING:
    from ticketctl.ai.offline.embeddings.sentence_encoder import SentenceEncoder
    from ticketctl.ai.offline.engine.model import Model
    from ticketctl.ai.providers.few_shot import ExampleIndex
    from ticketctl.ai.providers.llm_settings import LlmSettings


def load_taxonomy(settings: Settings) -> Taxonomy:
    """Return the taxonomy that the settings name, else the built-in one. Raises ConfigError."""
    if settings.taxonomy is None:
        return default_taxonomy()
    path = Path(settings.taxonomy).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"the taxonomy file {path} does not exist",
            hint="set TICKETCTL_TAXONOMY to another file, or write one with ticketctl config init",
        )
    return load_taxonomy_file(path)


def load_encoder(settings: Settings) -> "SentenceEncoder | None":
    """Return the embedding model that the settings name, None if they name none.

    Raises:
        ConfigError: The folder is no such model, or the extra `embeddings` is not installed.
    """
    if settings.ai_embeddings is None:
        return None
    from ticketctl.ai.offline.embeddings.sentence_encoder import SentenceEncoder

    return SentenceEncoder(Path(settings.ai_embeddings).expanduser())


class ProviderFactory:
    """Makes the provider that the settings name.

    `trained_model` replaces the model file that the settings name. `budget` counts, and may limit, what is spent;
    `account` counts refusals of the whole account, which are errors if `raise_account_errors`.
    """

    def __init__(
        self,
        settings: Settings,
        taxonomy: Taxonomy,
        *,
        trained_model: "Path | Model | None" = None,
        budget: Budget | None = None,
        account: AccountStatus | None = None,
        telemetry: Telemetry = OFF,
        raise_account_errors: bool = False,
    ) -> None:
        """Raise ConfigError if the provider needs a setting that is missing or cannot be used."""
        if trained_model is None and settings.ai_model_file is not None:
            trained_model = _find_model_file(settings.ai_model_file)
        # models for the built-in taxonomy come with the package: no cache folder is needed
        encoder = load_encoder(settings)
        cache = None if settings.taxonomy is None and encoder is None else settings.cache_folder
        self.budget = budget or Budget(parse_prices(settings))
        self.account = account or AccountStatus()
        self._telemetry = telemetry
        self._taxonomy = taxonomy
        self._timeout = settings.ai_timeout
        self._offline = OfflineProvider(taxonomy, cache, trained_model, encoder)
        if trained_model is not None or encoder is not None:
            self._offline.load()
        kind = settings.ai_provider
        self._llm_settings: LlmSettings | None = None
        if kind != "offline":
            self._llm_settings = _llm_settings(settings, kind, raise_account_errors=raise_account_errors)
            # made once per process: an AWS session reads files, and its credentials are cached in it
            self._authentication = self._llm_settings.make_authentication()
            self._examples = _load_examples(settings, taxonomy)

    def require_prices(self) -> None:
        """Raise ProviderError if the budget has a limit and one of the models has no known price."""
        if self._llm_settings is not None:
            self.budget.require_prices(
                self._llm_settings.model_for(step) for step in Step if step is not Step.ROUTE
            )

    @asynccontextmanager
    async def open_provider(self) -> AsyncIterator[Provider]:
        """Open the provider for the running loop; its HTTP connections are bound to that loop."""
        if self._llm_settings is None:
            yield self._offline
            return
        from ticketctl.ai.providers.http_client import open_client
        from ticketctl.ai.providers.llm import LlmProvider

        async with open_client(self._timeout) as client:
            yield LlmProvider(
                self._llm_settings,
                self._taxonomy,
                self._offline,
                client,
                self.budget,
                authentication=self._authentication,
                account=self.account,
                telemetry=self._telemetry,
                examples=self._examples,
            )

    async def check_account(self) -> str | None:
        """Return why the AI provider refuses the account, None if it accepts it.

        Raises:
            ProviderError: The provider cannot be reached.
        """
        async with self.open_provider() as provider:
            check = getattr(provider, "check_account", None)  # the offline provider has no account
            return None if check is None else await check()


def _llm_settings(
    settings: Settings, kind: Literal["openai", "anthropic"], *, raise_account_errors: bool
) -> "LlmSettings":
    from ticketctl.ai.phone_numbers import parse_regions
    from ticketctl.ai.providers.llm_settings import LlmSettings

    if settings.ai_model is None:
        raise ConfigError(
            f"no model is named for the AI provider {kind}", hint="set TICKETCTL_AI_MODEL to the model's name"
        )
    models = {
        Step.CLASSIFY: settings.ai_model_classify,
        Step.EXTRACT: settings.ai_model_extract,
        Step.RESPOND: settings.ai_model_respond,
    }
    return LlmSettings(
        provider=kind,
        model=settings.ai_model,
        base_url=settings.ai_base_url,
        api_key=settings.ai_api_key,
        api_key_secret_arn=settings.ai_api_key_secret_arn,
        api_version=settings.ai_api_version,
        auth=settings.ai_auth,
        models={step: model for step, model in models.items() if model is not None},
        timeout=settings.ai_timeout,
        max_concurrency=settings.ai_concurrency,
        max_tokens=settings.ai_max_tokens,
        redact=settings.redact,
        phone_regions=parse_regions(settings.phone_regions),
        raise_account_errors=raise_account_errors,
    )


def _load_examples(settings: Settings, taxonomy: Taxonomy) -> "ExampleIndex | None":
    """Return the examples that the settings name with those of the taxonomy, None without the setting."""
    if settings.ai_examples is None:
        return None
    from ticketctl.ai.providers.few_shot import ExampleIndex, list_taxonomy_examples, load_examples

    own = load_examples(Path(settings.ai_examples).expanduser(), taxonomy)
    return ExampleIndex([*list_taxonomy_examples(taxonomy), *own])


def _find_model_file(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"the model file {path} does not exist",
            hint="set TICKETCTL_AI_MODEL_FILE to another file, or write one with ticketctl train",
        )
    return path
