"""Create tickets, their steps and attempts, and the messages of the outbox and the embedded queue.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NOW = sa.text("now()")


def time(name: str, *, now: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not now, server_default=NOW if now else None)


def create_tickets() -> None:
    op.create_table(
        "tickets",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False, server_default=""),
        sa.Column("requester", sa.Text),
        sa.Column("status", sa.Text, nullable=False, server_default="new"),
        sa.Column("category", sa.Text),
        sa.Column("priority", sa.Text),
        sa.Column("sentiment", sa.Text),
        sa.Column("language", sa.Text),
        sa.Column("team", sa.Text),
        sa.Column("confidence", sa.Float),
        sa.Column("extracted", postgresql.JSONB),
        sa.Column("draft", sa.Text),
        sa.Column("set_by_human", postgresql.JSONB, nullable=False, server_default=sa.text("'[]'::jsonb")),
        sa.Column("error", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("lease_token", sa.Uuid),
        time("lease_until"),
        sa.Column("idempotency_key", sa.Text, unique=True),
        time("created_at", now=True),
        time("updated_at", now=True),
        time("processed_at"),
        sa.CheckConstraint("char_length(subject) between 1 and 500", name="subject"),
        sa.CheckConstraint("char_length(body) <= 200000", name="body"),
        sa.CheckConstraint(
            "status in ('new', 'processing', 'processed', 'needs_review', 'failed', 'closed')", name="status"
        ),
        sa.CheckConstraint("confidence between 0 and 1", name="confidence"),
    )
    for column in ("status", "category", "priority", "team"):
        op.create_index(f"tickets_{column}_idx", "tickets", [column, "created_at", "id"])
    op.create_index("tickets_created_at_idx", "tickets", ["created_at", "id"])
    op.create_index("tickets_updated_at_idx", "tickets", ["updated_at", "id"])
    op.create_index(
        "tickets_search_idx",
        "tickets",
        [
            sa.text(
                "to_tsvector('simple', regexp_replace((subject || ' ') || left(body, 50000), '(\\W|_)+', ' ', 'g'))"
            )
        ],
        postgresql_using="gin",
    )


def create_steps_and_attempts() -> None:
    op.create_table(
        "steps",
        sa.Column(
            "ticket_id", sa.BigInteger, sa.ForeignKey("tickets.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("output", postgresql.JSONB, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("prompt_hash", sa.Text, nullable=False),
        sa.Column("input_tokens", sa.Integer, nullable=False, server_default="0"),
        sa.Column("output_tokens", sa.Integer, nullable=False, server_default="0"),
        sa.Column("duration_ms", sa.Float, nullable=False, server_default="0"),
        sa.Column("sent", sa.Text),
        time("created_at", now=True),
        sa.PrimaryKeyConstraint("ticket_id", "step"),
        sa.CheckConstraint("step in ('classify', 'extract', 'route', 'respond')", name="step"),
    )
    op.create_table(
        "attempts",
        sa.Column(
            "ticket_id", sa.BigInteger, sa.ForeignKey("tickets.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("attempt", sa.Integer, nullable=False),
        time("started_at", now=True),
        time("ended_at"),
        sa.Column("outcome", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("message_id", sa.Text),
        sa.Column("receive_count", sa.Integer),
        sa.Column("environment_id", sa.Text),
        sa.PrimaryKeyConstraint("ticket_id", "attempt"),
    )


def create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("message_id", sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()")),
        sa.Column("ticket_id", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        time("enqueued_at", now=True),
        time("sent_at"),
        time("visible_at", now=True),
        sa.Column("receive_count", sa.Integer, nullable=False, server_default="0"),
        time("dead_at"),
        sa.Column("last_error", sa.Text),
    )
    op.create_index(
        "messages_visible_at_idx",
        "messages",
        ["visible_at", "enqueued_at"],
        postgresql_where=sa.text("dead_at is null"),
    )
    op.create_index("messages_ticket_id_idx", "messages", ["ticket_id"])


def upgrade() -> None:
    create_tickets()
    create_steps_and_attempts()
    create_messages()


def downgrade() -> None:
    for table in ("messages", "attempts", "steps", "tickets"):
        op.drop_table(table)
