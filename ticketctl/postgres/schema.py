"""The tables as SQLAlchemy metadata. Migrations create them; a test checks that both agree."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

from ticketctl.tickets.filters import FILTERS

metadata = MetaData(
    naming_convention={
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)


def _time(name: str, *, now: bool = False) -> Column[object]:
    column_type = DateTime(timezone=True)
    return Column(name, column_type, nullable=not now, server_default=func.now() if now else None)


tickets = Table(
    "tickets",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False, server_default=""),
    Column("requester", Text),
    Column("status", Text, nullable=False, server_default="new"),
    Column("category", Text),
    Column("priority", Text),
    Column("sentiment", Text),
    Column("language", Text),
    Column("team", Text),
    Column("confidence", Float),
    Column("extracted", JSONB),
    Column("draft", Text),
    Column("set_by_human", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("error", Text),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("lease_token", Uuid),
    _time("lease_until"),
    Column("idempotency_key", Text, unique=True),
    _time("created_at", now=True),
    _time("updated_at", now=True),
    _time("processed_at"),
    Column("assignee", Text),
    Column("tags", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    # "kind:name" of the actor; null for tickets that are older than this column
    Column("created_by", Text),
    # when the draft was sent to the requester
    _time("sent_at"),
    CheckConstraint("char_length(subject) between 1 and 500", name="subject"),
    CheckConstraint("char_length(body) <= 200000", name="body"),
    CheckConstraint(
        "status in ('new', 'processing', 'processed', 'needs_review', 'failed', 'closed')", name="status"
    ),
    CheckConstraint("confidence between 0 and 1", name="confidence"),
)

for _spec in FILTERS.values():
    if _spec.is_indexed:
        Index(f"tickets_{_spec.column}_idx", tickets.c[_spec.column], tickets.c.created_at, tickets.c.id)
# Most tickets have neither an assignee nor tags: partial indexes cost nothing for them.
Index(
    "tickets_assignee_idx",
    tickets.c.assignee,
    tickets.c.created_at,
    tickets.c.id,
    postgresql_where=tickets.c.assignee.is_not(None),
)
Index(
    "tickets_tags_idx",
    tickets.c.tags,
    postgresql_using="gin",
    postgresql_ops={"tags": "jsonb_path_ops"},
    postgresql_where=text("tags <> '[]'::jsonb"),
)
Index("tickets_created_at_idx", tickets.c.created_at, tickets.c.id)
Index("tickets_updated_at_idx", tickets.c.updated_at, tickets.c.id)

# The words of subject, requester and body, written by a trigger (migration 0009). They never change, and an index on
# `tickets` would be written at every change of a ticket. Only letters and digits remain: Postgres's parser would treat
# A-4711 as a word of its own, so that 4711 does not find it. Of a body, the first 50,000 characters are searched: more
# could exceed the 1 MB limit of a tsvector.
search_vectors = Table(
    "search_vectors",
    metadata,
    Column("ticket_id", BigInteger, ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True),
    Column("words", TSVECTOR, nullable=False),
)
Index("search_vectors_words_idx", search_vectors.c.words, postgresql_using="gin")

steps = Table(
    "steps",
    metadata,
    Column("ticket_id", BigInteger, ForeignKey("tickets.id", ondelete="CASCADE"), nullable=False),
    Column("step", Text, nullable=False),
    Column("output", JSONB, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("prompt_hash", Text, nullable=False),
    Column("input_tokens", Integer, nullable=False, server_default="0"),
    Column("output_tokens", Integer, nullable=False, server_default="0"),
    Column("duration_ms", Float, nullable=False, server_default="0"),
    Column("sent", Text),
    _time("created_at", now=True),
    PrimaryKeyConstraint("ticket_id", "step"),
    CheckConstraint("step in ('classify', 'extract', 'route', 'respond')", name="step"),
)

# `stats` adds up every step, and looks for the longest: it must not read the outputs beside them
Index(
    "steps_duration_ms_idx",
    steps.c.step,
    steps.c.provider,
    steps.c.duration_ms,
    postgresql_include=["model", "input_tokens", "output_tokens"],
)

attempts = Table(
    "attempts",
    metadata,
    Column("ticket_id", BigInteger, ForeignKey("tickets.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    _time("started_at", now=True),
    _time("ended_at"),
    Column("outcome", Text),
    Column("error", Text),
    Column("message_id", Text),
    Column("receive_count", Integer),
    Column("environment_id", Text),
    PrimaryKeyConstraint("ticket_id", "attempt"),
)

# One row per change of a ticket. `old` and `new` hold the fields that changed; `engine` what the classification step had
# said, where a person decided on it. The claims of workers are in `attempts`.
changes = Table(
    "changes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("ticket_id", BigInteger, ForeignKey("tickets.id", ondelete="CASCADE"), nullable=False),
    _time("changed_at", now=True),
    Column("actor_kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("old", JSONB, nullable=False),
    Column("new", JSONB, nullable=False),
    Column("note", Text),
    Column("engine", JSONB),
    # the change that this one took back
    Column("undoes", BigInteger),
    # of the mail that a reply was imported from, or that the draft was sent in
    Column("message_id", Text),
    # of a person's changes: the command or request that made them
    Column("operation", BigInteger),
    CheckConstraint("actor_kind in ('person', 'worker', 'rule', 'import')", name="actor_kind"),
)
Index("changes_ticket_id_idx", changes.c.ticket_id, changes.c.id)
Index(
    "changes_operation_idx",
    changes.c.operation,
    changes.c.id,
    postgresql_where=changes.c.operation.is_not(None),
)
Index(
    "changes_message_id_idx",
    changes.c.message_id,
    unique=True,
    postgresql_where=changes.c.message_id.is_not(None),
)

messages = Table(
    "messages",
    metadata,
    Column("message_id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    # no foreign key: a message may outlive its ticket, and must still be received and settled then
    Column("ticket_id", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    _time("enqueued_at", now=True),
    _time("visible_at", now=True),
    # deliveries that led to an attempt; delivery_number counts every delivery
    Column("receive_count", Integer, nullable=False, server_default="0"),
    _time("dead_at"),
    Column("last_error", Text),
    Column("delivery_number", Integer, nullable=False, server_default="0"),
    # the trace of the request that made it, by W3C Trace Context
    Column("traceparent", Text),
)
Index(
    "messages_visible_at_idx",
    messages.c.visible_at,
    messages.c.enqueued_at,
    postgresql_where=messages.c.dead_at.is_(None),
)
Index(
    "messages_dead_at_idx",
    messages.c.dead_at,
    messages.c.message_id,
    postgresql_where=messages.c.dead_at.is_not(None),
)
Index("messages_ticket_id_idx", messages.c.ticket_id)
# `list --stuck` looks for the newest attempts
Index("attempts_started_at_idx", attempts.c.started_at, attempts.c.ticket_id)
