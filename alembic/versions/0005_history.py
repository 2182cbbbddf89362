"""Keep the history of each ticket, and let people share the work: assignee, tags, notes.

`changes` has one row per change of a ticket, written in the statement that makes the change. The index for searches
covers the requester now.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SEARCHED = "to_tsvector('simple', regexp_replace({} || left(body, 50000), '(\\W|_)+', ' ', 'g'))"


def upgrade() -> None:
    op.add_column("tickets", sa.Column("assignee", sa.Text))
    # A constant default is stored in the catalogue: no row is rewritten.
    op.add_column(
        "tickets",
        sa.Column("tags", postgresql.JSONB, nullable=False, server_default=sa.text("'[]'::jsonb")),
    )
    op.add_column("tickets", sa.Column("created_by", sa.Text))
    op.add_column("tickets", sa.Column("sent_at", sa.DateTime(timezone=True)))
    # Most tickets have neither an assignee nor tags: partial indexes cost nothing for them.
    op.create_index(
        "tickets_assignee_idx",
        "tickets",
        ["assignee", "created_at", "id"],
        postgresql_where=sa.text("assignee is not null"),
    )
    op.create_index(
        "tickets_tags_idx",
        "tickets",
        ["tags"],
        postgresql_using="gin",
        postgresql_ops={"tags": "jsonb_path_ops"},
        postgresql_where=sa.text("tags <> '[]'::jsonb"),
    )
    _create_search_index("((subject || ' ') || (coalesce(requester, '') || ' '))")
    op.create_table(
        "changes",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column(
            "ticket_id", sa.BigInteger, sa.ForeignKey("tickets.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("actor_kind", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("old", postgresql.JSONB, nullable=False),
        sa.Column("new", postgresql.JSONB, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("engine", postgresql.JSONB),
        sa.Column("undoes", sa.BigInteger),
        sa.Column("message_id", sa.Text),
        sa.CheckConstraint("actor_kind in ('person', 'worker', 'rule', 'import')", name="actor_kind"),
    )
    op.create_index("changes_ticket_id_idx", "changes", ["ticket_id", "id"])
    op.create_index(
        "changes_message_id_idx",
        "changes",
        ["message_id"],
        unique=True,
        postgresql_where=sa.text("message_id is not null"),
    )


def downgrade() -> None:
    op.drop_table("changes")
    _create_search_index("(subject || ' ')")
    op.drop_index("tickets_tags_idx", "tickets")
    op.drop_index("tickets_assignee_idx", "tickets")
    for column in ("sent_at", "created_by", "tags", "assignee"):
        op.drop_column("tickets", column)


def _create_search_index(texts: str) -> None:
    op.drop_index("tickets_search_idx", "tickets")
    op.create_index(
        "tickets_search_idx", "tickets", [sa.text(_SEARCHED.format(texts))], postgresql_using="gin"
    )
