"""Fill per-process caches before execution environments are forked, so that each does not fill its own.

The laboratory imports this module for its side effects: SQLAlchemy's compiled statements, regular expressions, and
the models of the offline provider. It opens no connection and runs no event loop.
"""

from ticketctl import settings
from ticketctl.ai.offline.classifier import Classifier
from ticketctl.ai.offline.extraction import extract
from ticketctl.ai.taxonomy.loader import default_taxonomy
from ticketctl.postgres.engine import make_engine
from ticketctl.postgres.scratch_database import BODY, SUBJECT
from ticketctl.postgres.sql import worker
from ticketctl.runtime import get_address, resources

TEXT = f"{SUBJECT}\n\n{BODY}"

Classifier(default_taxonomy()).classify(TEXT)
extract(TEXT, default_taxonomy().identifiers)
_SETTINGS = settings.load({"TICKETCTL_DATABASE_URL": "postgresql://"})
resources(_SETTINGS)
_ENGINE = make_engine(get_address(_SETTINGS), _SETTINGS)
for statement in (worker.CLAIM, worker.FINISH, worker.RELEASE):
    statement.compile(dialect=_ENGINE.dialect)
