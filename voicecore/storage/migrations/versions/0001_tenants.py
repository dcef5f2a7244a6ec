"""Tenants, their businesses and users, agents and their versions, telephone numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant
from voicecore.storage.forwards import downgrade as downgrade

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "organizations",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.Text, server_default="", nullable=False),
        sa.Column("contact_email", sa.Text, server_default="", nullable=False),
        sa.Column("phone", sa.Text, server_default="", nullable=False),
        sa.Column("address", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("settings", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("timezone", sa.Text, server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_organizations")),
        sa.UniqueConstraint("external_id", name=op.f("uq_organizations_external_id")),
        sa.UniqueConstraint("uid", name=op.f("uq_organizations_uid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "users",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("name", sa.Text, server_default="", nullable=False),
        sa.Column("password_hash", sa.Text, server_default="", nullable=False),
        sa.Column("active", sa.Boolean(create_constraint=True, name="active"), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("uid", name=op.f("uq_users_uid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "businesses",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.Text, server_default="", nullable=False),
        sa.Column("timezone", sa.Text, server_default="", nullable=False),
        sa.Column("phone", sa.Text, server_default="", nullable=False),
        sa.Column("address", sa.Text, server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_businesses_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_businesses")),
        sa.UniqueConstraint("organization_uid", "external_id", name=op.f("uq_businesses_organization_uid_external_id")),
        sa.UniqueConstraint("uid", name=op.f("uq_businesses_uid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "memberships",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("user_uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("roles", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_memberships_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_uid"], ["users.uid"], name=op.f("fk_memberships_user_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_memberships")),
        sa.UniqueConstraint("uid", name=op.f("uq_memberships_uid")),
        sa.UniqueConstraint("user_uid", "organization_uid", name=op.f("uq_memberships_user_uid_organization_uid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sessions",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("user_uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("surface", sa.String(length=20), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_sessions_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_uid"], ["users.uid"], name=op.f("fk_sessions_user_uid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_sessions")),
        sa.UniqueConstraint("uid", name=op.f("uq_sessions_uid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_sessions_user_uid"), "sessions", ["user_uid"], unique=False)
    op.create_table(
        "agents",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("business_uid", sa.String(length=36), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["business_uid"], ["businesses.uid"], name=op.f("fk_agents_business_uid"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_agents_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_agents")),
        sa.UniqueConstraint("organization_uid", "external_id", name=op.f("uq_agents_organization_uid_external_id")),
        sa.UniqueConstraint("uid", name=op.f("uq_agents_uid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "agent_versions",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("agent_uid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, server_default="", nullable=False),
        sa.Column("description", sa.Text, server_default="", nullable=False),
        sa.Column("active", sa.Boolean(create_constraint=True, name="active"), nullable=False),
        sa.Column("config", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_uid"], ["agents.uid"], name=op.f("fk_agent_versions_agent_uid"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("version > 0", name=op.f("ck_agent_versions_positive")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_agent_versions")),
        sa.UniqueConstraint("agent_uid", "version", name=op.f("uq_agent_versions_agent_uid_version")),
        sa.UniqueConstraint("uid", name=op.f("uq_agent_versions_uid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "phone_numbers",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Text, server_default="", nullable=False),
        sa.Column("digits", sa.String(length=40), nullable=False),
        sa.Column("label", sa.Text, server_default="", nullable=False),
        sa.Column("agent_uid", sa.String(length=36), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_uid"], ["agents.uid"], name=op.f("fk_phone_numbers_agent_uid"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_phone_numbers_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_phone_numbers")),
        sa.UniqueConstraint("digits", name=op.f("uq_phone_numbers_digits")),
        sa.UniqueConstraint("uid", name=op.f("uq_phone_numbers_uid")),
        sqlite_autoincrement=True,
    )
