"""From the settings to a provider. What lives with the process is made once, what belongs to a loop in each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ticketctl.ai.budget import Budget
from ticketctl.ai.offline.provider import OfflineProvider
from ticketctl.ai.taxonomy.loader import default_taxonomy, load_taxonomy_file
from ticketctl.ai.taxonomy.schema import Taxonomy
from ticketctl.errors import ConfigError
from ticketctl.settings import Settings
from ticketctl.tickets.models import Step
from ticketctl.tickets.pricing import parse_prices
from ticketctl.tickets.protocols import Provider

if TYPE_CHECKING:
    from ticketctl.ai.offline.engine.model import Model
    from ticketctl.ai.providers.llm import LlmSettings


def load_taxonomy(settings: Settings) -> Taxonomy:
    """The taxonomy that the settings name, else the built-in one. Raises ConfigError."""
    if settings.taxonomy is None:
        return default_taxonomy()
    path = Path(settings.taxonomy).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"the taxonomy {path} is not there",
            hint="TICKETCTL_TAXONOMY names it; ticketctl config init writes one",
        )
    return load_taxonomy_file(path)


class ProviderFactory:
    """Who reads tickets, as the settings say.

    `trained` is a model in place of the settings' own; `budget` counts what is spent, and may limit it.
    """

    def __init__(
        self,
        settings: Settings,
        taxonomy: Taxonomy,
        *,
        trained: "Path | Model | None" = None,
        budget: Budget | None = None,
    ) -> None:
        """Raise ConfigError where a setting is missing that the provider needs, or names what cannot be used."""
        if trained is None and settings.ai_model_file is not None:
            trained = _model_file(settings.ai_model_file)
        # the models of the built-in taxonomy are shipped: nobody need look for another folder
        cache = None if settings.taxonomy is None else settings.cache_folder
        self.budget = budget or Budget(parse_prices(settings))
        self._taxonomy = taxonomy
        self._timeout = settings.ai_timeout
        self._offline = OfflineProvider(taxonomy, cache, trained)
        if trained is not None:
            self._offline.load()
        kind = settings.ai_provider
        self._online = None if kind == "offline" else _online(settings, kind)

    def require_prices(self) -> None:
        """Raise ProviderError where the budget has a limit, but a model that a ticket needs has no price."""
        if self._online is not None:
            self.budget.require_prices(
                self._online.model_for(step) for step in Step if step is not Step.ROUTE
            )

    @asynccontextmanager
    async def open_provider(self) -> AsyncIterator[Provider]:
        """The provider for the running loop, which its connections belong to."""
        if self._online is None:
            yield self._offline
            return
        from ticketctl.ai.providers.http_client import open_client
        from ticketctl.ai.providers.llm import LlmProvider

        async with open_client(self._timeout) as client:
            yield LlmProvider(self._online, self._taxonomy, self._offline, client, self.budget)


def _online(settings: Settings, kind: Literal["openai", "anthropic"]) -> "LlmSettings":
    from ticketctl.ai.providers.llm import LlmSettings

    if settings.ai_model is None:
        raise ConfigError(
            f"no model is named for the AI provider {kind}", hint="set TICKETCTL_AI_MODEL to the model's name"
        )
    chosen = {
        Step.CLASSIFY: settings.ai_model_classify,
        Step.EXTRACT: settings.ai_model_extract,
        Step.RESPOND: settings.ai_model_respond,
    }
    return LlmSettings(
        provider=kind,
        model=settings.ai_model,
        base_url=settings.ai_base_url,
        api_key=settings.ai_api_key,
        models={step: model for step, model in chosen.items() if model is not None},
        timeout=settings.ai_timeout,
        max_concurrency=settings.ai_concurrency,
        max_tokens=settings.ai_max_tokens,
        redact=settings.redact,
    )


def _model_file(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"the trained model {path} is not there",
            hint="TICKETCTL_AI_MODEL_FILE names it; ticketctl train writes one",
        )
    return path
