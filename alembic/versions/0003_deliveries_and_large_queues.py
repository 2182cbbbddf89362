"""Number deliveries apart from the receive count, and index what a large queue needs.

`messages.delivery_number` counts every delivery and identifies it in a receipt. `receive_count` counts only deliveries
that led to an attempt, so that it may stay the same from one delivery to the next.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A constant default is stored in the catalogue: no row is rewritten.
    op.add_column("messages", sa.Column("delivery_number", sa.Integer, nullable=False, server_default="0"))
    op.create_index(
        "messages_dead_at_idx",
        "messages",
        ["dead_at", "message_id"],
        postgresql_where=sa.text("dead_at is not null"),
    )
    op.create_index("attempts_started_at_idx", "attempts", ["started_at", "ticket_id"])


def downgrade() -> None:
    op.drop_index("attempts_started_at_idx", "attempts")
    op.drop_index("messages_dead_at_idx", "messages")
    op.drop_column("messages", "delivery_number")
