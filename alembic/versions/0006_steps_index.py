"""Index what `stats` reads of each step, so that it does not read the outputs beside it.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "steps_duration_ms_idx",
        "steps",
        ["step", "provider", "duration_ms"],
        postgresql_include=["model", "input_tokens", "output_tokens"],
    )


def downgrade() -> None:
    op.drop_index("steps_duration_ms_idx", "steps")
