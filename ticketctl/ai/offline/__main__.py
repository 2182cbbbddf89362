"""Trains the models of the built-in examples anew and puts them where the package ships them."""

from ticketctl.ai.offline.classifier import category_rows, priority_rows, sentiment_rows
from ticketctl.ai.offline.engine.artifact import packed
from ticketctl.ai.offline.engine.model_store import SHIPPED, file_name
from ticketctl.ai.offline.engine.training import train
from ticketctl.ai.taxonomy.loader import default_taxonomy


def built_in() -> dict[str, bytes]:
    """Every model that is shipped, by the name of its file."""
    taxonomy = default_taxonomy()
    examples = (category_rows(taxonomy), priority_rows(taxonomy), sentiment_rows())
    return {file_name(rows): packed(train(rows)) for rows in examples}


def main() -> None:
    """Replace the shipped models."""
    SHIPPED.mkdir(exist_ok=True)
    for old in SHIPPED.glob("*.model"):
        old.unlink()
    for name, data in built_in().items():
        (SHIPPED / name).write_bytes(data)


if __name__ == "__main__":
    main()
