"""Imported for its effect, where execution environments will be forked: what the first ticket needs is read once."""

from ticketctl.ai.offline.classifier import Classifier
from ticketctl.ai.offline.extraction import extract
from ticketctl.ai.taxonomy_file import default_taxonomy

TEXT = "I was charged twice for order 4711\n\nPlease refund the second payment of 12.50 EUR."

Classifier(default_taxonomy()).classify(TEXT)
extract(TEXT, default_taxonomy().identifiers)
