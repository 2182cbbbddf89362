"""Index the requester, by which a support desk finds a customer's tickets.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("tickets_requester_idx", "tickets", ["requester", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("tickets_requester_idx", "tickets")
