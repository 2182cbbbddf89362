"""Imported for its effect, where execution environments will be forked: what each would make at first is made once.

Nothing connects, and no event loop runs. The environments find filled what a process fills by itself: SQLAlchemy's
caches, regular expressions, the models and the words of the offline provider.
"""

from ticketctl import settings
from ticketctl.ai.offline.classifier import Classifier
from ticketctl.ai.offline.extraction import extract
from ticketctl.ai.taxonomy_file import default_taxonomy
from ticketctl.db import dialect, statements
from ticketctl.runtime import resources

TEXT = "I was charged twice for order 4711\n\nPlease refund the second payment of 12.50 EUR."

Classifier(default_taxonomy()).classify(TEXT)
extract(TEXT, default_taxonomy().identifiers)
resources(settings.load({"TICKETCTL_DATABASE_URL": "postgresql://"}))
_DIALECT = dialect.Dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy does not annotate it
for statement in (statements.CLAIM, statements.FINISH, statements.GIVE_BACK):
    statement.compile(dialect=_DIALECT)
