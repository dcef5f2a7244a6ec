"""Services, resources, opening hours, appointments that cannot clash, call-backs, searchable knowledge."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from voicecore.storage.columns import Instant
from voicecore.storage.engines import kind_named
from voicecore.storage.forwards import downgrade as downgrade

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "knowledge_articles",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("business_uid", sa.String(length=36), nullable=True),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("title", sa.Text, server_default="", nullable=False),
        sa.Column("content", sa.Text, server_default="", nullable=False),
        sa.Column("category", sa.Text, server_default="", nullable=False),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("questions", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("valid_from", Instant(), nullable=True),
        sa.Column("valid_until", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["business_uid"],
            ["businesses.uid"],
            name=op.f("fk_knowledge_articles_business_uid"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_knowledge_articles_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_knowledge_articles")),
        sa.UniqueConstraint(
            "organization_uid", "external_id", name=op.f("uq_knowledge_articles_organization_uid_external_id")
        ),
        sa.UniqueConstraint("uid", name=op.f("uq_knowledge_articles_uid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "opening_hours",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("business_uid", sa.String(length=36), nullable=False),
        sa.Column("weekday", sa.Integer, nullable=False),
        sa.Column("opens", sa.Integer, nullable=False),
        sa.Column("closes", sa.Integer, nullable=False),
        sa.CheckConstraint("0 <= opens AND opens < closes AND closes <= 1440", name=op.f("ck_opening_hours_order")),
        sa.ForeignKeyConstraint(
            ["business_uid"],
            ["businesses.uid"],
            name=op.f("fk_opening_hours_business_uid"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_opening_hours_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_opening_hours_weekday")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_opening_hours")),
        sa.UniqueConstraint(
            "business_uid", "weekday", "opens", name=op.f("uq_opening_hours_business_uid_weekday_opens")
        ),
        sa.UniqueConstraint("uid", name=op.f("uq_opening_hours_uid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "resources",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("business_uid", sa.String(length=36), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.Text, server_default="", nullable=False),
        sa.Column("active", sa.Boolean(create_constraint=True, name="active"), nullable=False),
        sa.ForeignKeyConstraint(
            ["business_uid"], ["businesses.uid"], name=op.f("fk_resources_business_uid"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_resources_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_resources")),
        sa.UniqueConstraint("organization_uid", "external_id", name=op.f("uq_resources_organization_uid_external_id")),
        sa.UniqueConstraint("uid", name=op.f("uq_resources_uid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "services",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("business_uid", sa.String(length=36), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("name", sa.Text, server_default="", nullable=False),
        sa.Column("minutes", sa.Integer, nullable=False),
        sa.Column("price", sa.Float, nullable=True),
        sa.ForeignKeyConstraint(
            ["business_uid"], ["businesses.uid"], name=op.f("fk_services_business_uid"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_services_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("minutes > 0", name=op.f("ck_services_positive")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_services")),
        sa.UniqueConstraint("business_uid", "name", name=op.f("uq_services_business_uid_name")),
        sa.UniqueConstraint("organization_uid", "external_id", name=op.f("uq_services_organization_uid_external_id")),
        sa.UniqueConstraint("uid", name=op.f("uq_services_uid")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "appointments",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("business_uid", sa.String(length=36), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("customer_uid", sa.String(length=36), nullable=True),
        sa.Column("customer_name", sa.Text, server_default="", nullable=False),
        sa.Column("customer_phone", sa.Text, server_default="", nullable=False),
        sa.Column("phone_tail", sa.Text, server_default="", nullable=False),
        sa.Column("resource_uid", sa.String(length=36), nullable=False),
        sa.Column("service", sa.Text, server_default="", nullable=False),
        sa.Column("starts_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("notes", sa.Text, server_default="", nullable=False),
        sa.Column("source", sa.Text, server_default="", nullable=False),
        sa.Column("call_uid", sa.String(length=36), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_appointments_order")),
        sa.ForeignKeyConstraint(
            ["business_uid"],
            ["businesses.uid"],
            name=op.f("fk_appointments_business_uid"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["call_uid"], ["calls.uid"], name=op.f("fk_appointments_call_uid"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["customer_uid"],
            ["customers.uid"],
            name=op.f("fk_appointments_customer_uid"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_appointments_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["resource_uid"], ["resources.uid"], name=op.f("fk_appointments_resource_uid"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_appointments")),
        sa.UniqueConstraint(
            "organization_uid", "external_id", name=op.f("uq_appointments_organization_uid_external_id")
        ),
        sa.UniqueConstraint("uid", name=op.f("uq_appointments_uid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_appointments_call_uid"), "appointments", ["call_uid"], unique=False)
    op.create_index(
        op.f("ix_appointments_organization_uid_starts_at"),
        "appointments",
        ["organization_uid", "starts_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_appointments_resource_uid_starts_at"),
        "appointments",
        ["resource_uid", "starts_at"],
        unique=False,
    )
    op.create_table(
        "callback_requests",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("organization_uid", sa.String(length=36), nullable=False),
        sa.Column("business_uid", sa.String(length=36), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("call_uid", sa.String(length=36), nullable=True),
        sa.Column("customer_uid", sa.String(length=36), nullable=True),
        sa.Column("customer_name", sa.Text, server_default="", nullable=False),
        sa.Column("customer_phone", sa.Text, server_default="", nullable=False),
        sa.Column("reason", sa.Text, server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["business_uid"],
            ["businesses.uid"],
            name=op.f("fk_callback_requests_business_uid"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["call_uid"], ["calls.uid"], name=op.f("fk_callback_requests_call_uid"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["customer_uid"],
            ["customers.uid"],
            name=op.f("fk_callback_requests_customer_uid"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["organization_uid"],
            ["organizations.uid"],
            name=op.f("fk_callback_requests_organization_uid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_callback_requests")),
        sa.UniqueConstraint(
            "organization_uid", "external_id", name=op.f("uq_callback_requests_organization_uid_external_id")
        ),
        sa.UniqueConstraint("uid", name=op.f("uq_callback_requests_uid")),
        sqlite_autoincrement=True,
    )
    for statement in kind_named(op.get_bind().dialect.name).extra_schema():
        op.execute(sa.text(statement.replace(":", r"\:")))
