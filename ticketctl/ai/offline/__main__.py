"""Write the built-in taxonomy as JSON, train the models of its examples, and write them into the package."""

from ticketctl.ai.offline.classifier import category_texts, priority_texts, sentiment_texts
from ticketctl.ai.offline.engine.artifact import serialize
from ticketctl.ai.offline.engine.model_store import BUNDLED_MODELS, model_file_name
from ticketctl.ai.offline.engine.training import train
from ticketctl.ai.taxonomy.loader import default_taxonomy, write_default_json


def train_bundled_models() -> dict[str, bytes]:
    """Return the bytes of every model that the package ships, by file name."""
    taxonomy = default_taxonomy()
    training_sets = (category_texts(taxonomy), priority_texts(taxonomy), sentiment_texts())
    return {model_file_name(texts): serialize(train(texts)) for texts in training_sets}


def main() -> None:
    """Replace the taxonomy's JSON and the bundled models."""
    write_default_json()
    default_taxonomy.cache_clear()
    BUNDLED_MODELS.mkdir(exist_ok=True)
    for old in BUNDLED_MODELS.glob("*.model"):
        old.unlink()
    for name, data in train_bundled_models().items():
        (BUNDLED_MODELS / name).write_bytes(data)


if __name__ == "__main__":
    main()
