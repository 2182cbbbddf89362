"""Priority and sentiment of the built-in taxonomy: `python -m tests.benchmarks.priority_sentiment`, from the root.

Judges the test split of `tests/data/priority_sentiment`, and prints accuracy and macro F1 of each field beside the
majority baseline; for the sentiment also beside VADER, if vaderSentiment is installed (it knows English only).

    --split tuning    the other half, on which the engine was tuned
    --misses          also print each message that got another label
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ticketctl.ai.evaluation.metrics import Evaluation, Prediction, evaluate_predictions
from ticketctl.ai.offline.classifier import Classifier
from ticketctl.ai.taxonomy.loader import default_taxonomy

DATA = Path(__file__).parents[1] / "data" / "priority_sentiment" / "tickets.jsonl"
FIELDS = ("priority", "sentiment")
ROW = "{:<11}{:<18}{:<10}{:>9}{:>10}{:>10}\n"
VADER_LIMIT = 0.05
"""The compound score from which VADER's authors call a text positive, and below whose negative they call it negative."""

Ticket = dict[str, str]


def load_tickets(split: str) -> list[Ticket]:
    """Return the messages of a split."""
    rows: list[Ticket] = [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]
    return [row for row in rows if row["split"] == split]


def evaluate_field(field: str, tickets: Sequence[Ticket], labels: Sequence[str]) -> Evaluation:
    """Return the figures of one label for each ticket."""
    pairs = zip(tickets, labels, strict=True)
    return evaluate_predictions(
        [
            Prediction(text=ticket["body"], expected=ticket[field], predicted=label, confidence=1.0)
            for ticket, label in pairs
        ],
        0.5,
    )


def classify_tickets(tickets: Sequence[Ticket]) -> dict[str, list[str]]:
    """Return the labels that the offline engine gives, by field."""
    classifier = Classifier(default_taxonomy())
    found = [classifier.classify(f"{ticket['subject']}\n\n{ticket['body']}") for ticket in tickets]
    return {field: [getattr(one, field) for one in found] for field in FIELDS}


def majority_labels(field: str, tickets: Sequence[Ticket]) -> list[str]:
    """Return the most frequent label of the tuning split for each ticket."""
    [(label, _)] = Counter(ticket[field] for ticket in load_tickets("tuning")).most_common(1)
    return [label] * len(tickets)


def vader_labels(tickets: Sequence[Ticket]) -> list[str]:
    """Return VADER's sentiment of each ticket."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyze: Callable[[str], dict[str, Any]] = SentimentIntensityAnalyzer().polarity_scores
    scores = [analyze(f"{ticket['subject']}. {ticket['body']}")["compound"] for ticket in tickets]
    return [
        "positive" if score >= VADER_LIMIT else "negative" if score <= -VADER_LIMIT else "neutral"
        for score in scores
    ]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.priority_sentiment")
    parser.add_argument("--split", choices=("test", "tuning"), default="test")
    parser.add_argument("--misses", action="store_true")
    options = parser.parse_args()
    tickets = load_tickets(options.split)
    engine = classify_tickets(tickets)
    vader = {"sentiment": vader_labels(tickets)} if find_spec("vaderSentiment") else {}
    sys.stdout.write(ROW.format("field", "by", "language", "messages", "accuracy", "macro F1"))
    for field in FIELDS:
        by = {"ticketctl": engine[field], "majority": majority_labels(field, tickets)}
        if field in vader:
            by["VADER"] = vader[field]
        for name, labels in by.items():
            for language, chosen in _languages(tickets):
                some = [tickets[at] for at in chosen]
                found = evaluate_field(field, some, [labels[at] for at in chosen])
                figures = (f"{found.accuracy:.3f}", f"{found.macro_f1:.3f}")
                sys.stdout.write(ROW.format(field, name, language, len(some), *figures))
    if options.misses:
        for field in FIELDS:
            for ticket, label in zip(tickets, engine[field], strict=True):
                if ticket[field] != label:
                    line = f"{ticket['language']} | {ticket['subject']} | {ticket['body']}"
                    sys.stdout.write(f"{field} is {ticket[field]}, not {label}: {line}\n")


def _languages(tickets: Sequence[Ticket]) -> Iterator[tuple[str, list[int]]]:
    """Yield "all" and each language, with the positions of its tickets."""
    yield "all", list(range(len(tickets)))
    for language in dict.fromkeys(ticket["language"] for ticket in tickets):
        yield language, [at for at, ticket in enumerate(tickets) if ticket["language"] == language]


if __name__ == "__main__":
    main()
