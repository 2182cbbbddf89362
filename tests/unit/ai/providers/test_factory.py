import pytest

from ticketctl.ai.evaluation.runner import ticket_from_text
from ticketctl.ai.offline import OfflineProvider
from ticketctl.ai.offline.engine.artifact import serialize
from ticketctl.ai.offline.engine.training import train
from ticketctl.ai.providers.factory import ProviderFactory, load_taxonomy
from ticketctl.ai.taxonomy.loader import DEFAULT, default_taxonomy, taxonomy_from_labels
from ticketctl.errors import ConfigError
from ticketctl.settings import Settings
from ticketctl.tickets.models import Step
from ticketctl.tickets.pricing import Price, parse_prices

KEY = "sk-hunter2"
LOCAL = {"ai_base_url": "http://127.0.0.1:9/v1", "ai_model": "small"}


def test_the_default_is_the_built_in_taxonomy():
    assert load_taxonomy(Settings()) is default_taxonomy()


async def test_the_offline_provider_is_made_once_per_process():
    providers = ProviderFactory(Settings(), default_taxonomy())
    async with providers.open_provider() as first:
        assert isinstance(first, OfflineProvider)
    async with providers.open_provider() as second:
        assert second is first


@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_an_http_provider_is_made_once_per_loop(name):
    providers = ProviderFactory(
        Settings(ai_provider=name, ai_api_key=KEY, ai_model="small"), default_taxonomy()
    )
    async with providers.open_provider() as first:
        assert (first.name, first.local) == (name, False)
    async with providers.open_provider() as second:
        assert second is not first
        assert second.fingerprint(Step.CLASSIFY) == first.fingerprint(Step.CLASSIFY)


async def test_each_setting_that_changes_responses_changes_the_fingerprint():
    changes = [
        {},
        {"ai_model": "large"},
        {"ai_model_classify": "large:70b"},
        {"redact": False},
        {"ai_max_tokens": 9},
        {"ai_base_url": "http://127.0.0.1:9/v2"},
    ]
    prints = set()
    for change in changes:
        providers = ProviderFactory(
            Settings(**{"ai_provider": "openai"} | LOCAL | change), default_taxonomy()
        )
        async with providers.open_provider() as provider:
            prints.add(provider.fingerprint(Step.CLASSIFY))
    assert len(prints) == len(changes)


@pytest.mark.parametrize(
    ("wrong", "complaint", "hint"),
    [
        ({"ai_provider": "openai"}, "no model is named", "TICKETCTL_AI_MODEL"),
        ({"ai_provider": "openai", "ai_model": "small"}, "openai needs a key", "TICKETCTL_AI_API_KEY"),
        ({"ai_provider": "anthropic", "ai_model": "small"}, "anthropic needs a key", "TICKETCTL_AI_BASE_URL"),
        ({"ai_model_file": "/no/where.model"}, "/no/where.model does not exist", "ticketctl train"),
    ],
)
def test_missing_settings_are_errors(wrong, complaint, hint):
    with pytest.raises(ConfigError, match=complaint) as raised:
        ProviderFactory(Settings(**wrong), default_taxonomy())
    assert hint in raised.value.hint


async def test_saved_classifications_depend_on_the_examples_that_a_ticket_sees(tmp_path):
    path = tmp_path / "decided.csv"
    ticket, other = ticket_from_text("my parcel is lost"), ticket_from_text("two factor login")
    prints = {}
    for label in ("billing", "bug"):
        path.write_text(f"text,label\nthe parcel was lost,{label}\n")
        settings = Settings(ai_provider="openai", ai_examples=str(path), **LOCAL)
        async with ProviderFactory(settings, default_taxonomy()).open_provider() as provider:
            prints[label] = provider.fingerprint(Step.CLASSIFY, ticket)
            prints[label, "other"] = provider.fingerprint(Step.CLASSIFY, other)
            prints[label, "extract"] = provider.fingerprint(Step.EXTRACT, ticket)
    assert prints["billing"] != prints["bug"]
    assert prints["billing", "other"] == prints["bug", "other"]
    assert prints["billing", "extract"] == prints["bug", "extract"]


def test_a_model_with_unknown_categories_is_refused(tmp_path):
    path = tmp_path / "fruit.model"
    path.write_bytes(serialize(train([("red", "apples"), ("green", "pears")])))
    settings = Settings(ai_model_file=str(path))
    with pytest.raises(ConfigError, match="has categories that the taxonomy lacks: apples, pears"):
        ProviderFactory(settings, default_taxonomy())
    ProviderFactory(settings, taxonomy_from_labels(["apples", "pears"]))


def test_a_missing_taxonomy_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml does not exist") as raised:
        load_taxonomy(Settings(taxonomy=str(tmp_path / "none.toml")))
    assert "config init" in raised.value.hint
    assert load_taxonomy(Settings(taxonomy=str(DEFAULT))) == default_taxonomy()


@pytest.mark.parametrize(
    ("text", "prices"),
    [
        ("", {}),
        ("small=0.25/2", {"small": Price(0.25, 2.0)}),
        (
            "llama3:8b=0/0, acme/large=1.5/6",
            {"llama3:8b": Price(0.0, 0.0), "acme/large": Price(1.5, 6.0)},
        ),
    ],
)
def test_prices_are_parsed_by_model(text, prices):
    assert parse_prices(Settings(ai_prices=text)) == prices


def test_the_factory_does_not_expose_the_key():
    providers = ProviderFactory(
        Settings(ai_provider="openai", ai_api_key=KEY, ai_model="small"), default_taxonomy()
    )
    assert KEY not in repr(vars(providers))
