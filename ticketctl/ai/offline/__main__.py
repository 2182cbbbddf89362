"""Write the built-in taxonomy as JSON, train the models that the package carries, and write them into it.

It runs in a checkout: the model of sentiments learns from the labelled tickets of the tests.
"""

import json
from pathlib import Path

from ticketctl.ai.offline.classifier import category_texts, priority_texts
from ticketctl.ai.offline.engine.artifact import serialize
from ticketctl.ai.offline.engine.model_store import BUNDLED_MODELS, LabelledTexts, model_file_name
from ticketctl.ai.offline.engine.training import train
from ticketctl.ai.offline.signal_model import (
    SENTIMENT_MODEL,
    fit_signal_model,
    serialize_signal_model,
    signal_model_file_name,
)
from ticketctl.ai.offline.signals import find_sentiment_signals, find_urgency_signals
from ticketctl.ai.taxonomy.loader import default_taxonomy, write_default_json

LABELLED_TICKETS = Path(__file__).parents[3] / "tests" / "data" / "priority_sentiment" / "tickets.jsonl"


def train_bundled_models() -> dict[str, bytes]:
    """Return the bytes of every model that the package ships, by file name."""
    taxonomy = default_taxonomy()
    categories, priorities = category_texts(taxonomy), priority_texts(taxonomy)
    by_priority = fit_signal_model(priorities, find_urgency_signals)
    by_sentiment = fit_signal_model(sentiment_texts(), find_sentiment_signals)
    return {
        model_file_name(categories): serialize(train(categories)),
        signal_model_file_name(priorities): serialize_signal_model(by_priority),
        SENTIMENT_MODEL: serialize_signal_model(by_sentiment),
    }


def sentiment_texts() -> LabelledTexts:
    """Return the training set for sentiments: the tuning split of the labelled tickets."""
    rows = map(json.loads, LABELLED_TICKETS.read_text("utf-8").splitlines())
    return tuple(
        (f"{row['subject']}\n{row['body']}", row["sentiment"]) for row in rows if row["split"] == "tuning"
    )


def main() -> None:
    """Replace the taxonomy's JSON and the bundled models."""
    write_default_json()
    default_taxonomy.cache_clear()
    BUNDLED_MODELS.mkdir(exist_ok=True)
    for old in BUNDLED_MODELS.iterdir():
        old.unlink()
    for name, data in train_bundled_models().items():
        (BUNDLED_MODELS / name).write_bytes(data)


if __name__ == "__main__":
    main()
