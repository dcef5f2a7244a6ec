"""Every table, with its constraints. The migrations make the same; a test compares the two.

Rows have a uuid `uid`, by which they refer to each other, and an integer `seq`, for clients that count.
Ids of clients (`external_id`) are unique within their organization only.
"""

from __future__ import annotations

import sqlalchemy as sa

from voicecore.storage.columns import Instant, created, external, flag, json, owner, ref, table, text
from voicecore.storage.columns import metadata as metadata
from voicecore.storage.schema_analyses import call_analyses as call_analyses
from voicecore.storage.schema_analyses import call_keywords as call_keywords
from voicecore.storage.schema_analyses import concurrency_samples as concurrency_samples
from voicecore.storage.schema_calling import dials as dials
from voicecore.storage.schema_calls import call_events as call_events
from voicecore.storage.schema_calls import calls as calls
from voicecore.storage.schema_calls import recordings as recordings
from voicecore.storage.schema_calls import turns as turns
from voicecore.storage.schema_dealings import audio_files as audio_files
from voicecore.storage.schema_dealings import conversations as conversations
from voicecore.storage.schema_dealings import interactions as interactions
from voicecore.storage.schema_dealings import privacy_requests as privacy_requests
from voicecore.storage.schema_dealings import webhook_deliveries as webhook_deliveries
from voicecore.storage.schema_dealings import webhook_subscriptions as webhook_subscriptions
from voicecore.storage.schema_integrations import authorization_requests as authorization_requests
from voicecore.storage.schema_integrations import integrations as integrations
from voicecore.storage.schema_integrations import sync_logs as sync_logs
from voicecore.storage.schema_knowledge import article_embeddings as article_embeddings
from voicecore.storage.schema_people import audit_entries as audit_entries
from voicecore.storage.schema_people import recovery_codes as recovery_codes
from voicecore.storage.schema_people import second_factors as second_factors
from voicecore.storage.schema_telephony import telephony_providers as telephony_providers
from voicecore.storage.schema_workspaces import addons as addons
from voicecore.storage.schema_workspaces import inbound_events as inbound_events
from voicecore.storage.schema_workspaces import inbound_webhooks as inbound_webhooks
from voicecore.storage.schema_workspaces import workspace_choices as workspace_choices
from voicecore.storage.schema_workspaces import workspace_settings as workspace_settings

organizations = table(
    "organizations",
    sa.Column("external_id", sa.String(100), nullable=False, unique=True),
    text("name"),
    text("contact_email"),
    text("phone"),
    json("address"),
    json("settings"),
    text("timezone"),
    sa.Column("retention_days", sa.Integer),  # NULL: what was said is kept
    created(),
)
secrets = table(  # without an organization: everybody's
    "secrets",
    ref("organization_uid", "organizations", nullable=True),
    text("name"),
    text("ciphertext"),
    created(),
    sa.UniqueConstraint("organization_uid", "name"),
    sa.Index(
        "ix_secrets_everybodys",
        "name",
        unique=True,
        sqlite_where=sa.text("organization_uid IS NULL"),
        postgresql_where=sa.text("organization_uid IS NULL"),
    ),
)
businesses = table(
    "businesses",
    owner(),
    external(),
    text("name"),
    text("timezone"),
    text("phone"),
    text("address"),
    text("profession"),
    text("voice_name"),
    sa.Column("closed_at", Instant()),
    created(),
    sa.UniqueConstraint("organization_uid", "external_id"),
)
users = table(
    "users",
    sa.Column("email", sa.String(320), nullable=False, unique=True),
    text("name"),
    text("password_hash"),
    text("avatar_url"),
    flag("active"),
    sa.Column("platform_admin", sa.Boolean, server_default=sa.false(), nullable=False),
    created(),
)
memberships = table(
    "memberships",
    ref("user_uid", "users"),
    owner(),
    json("roles"),
    sa.Column("permissions", sa.JSON(none_as_null=True)),  # NULL: what the roles grant
    sa.Column("branch_ids", sa.JSON(none_as_null=True), nullable=False, server_default="[]"),
    sa.Column("state", sa.String(10), nullable=False, server_default="active"),
    sa.Column("invitation_hash", sa.String(64)),
    sa.Column("invited_until", Instant()),
    created(),
    sa.UniqueConstraint("user_uid", "organization_uid"),
)
sessions = table(
    "sessions",
    ref("user_uid", "users"),
    owner(),
    sa.Column("surface", sa.String(20), nullable=False),
    text("ip"),
    text("user_agent"),
    sa.Column("seen_at", Instant()),
    created(),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Column("revoked_at", Instant()),
    sa.Column("renewals", sa.Integer, nullable=False, server_default="0"),
    sa.Column("renewed_at", Instant()),
    sa.Index(None, "user_uid"),
)
agents = table(
    "agents",
    owner(),
    ref("business_uid", "businesses"),
    external(),
    sa.Column("version", sa.Integer, nullable=False),
    created(),
    sa.UniqueConstraint("organization_uid", "external_id"),
)
agent_versions = table(
    "agent_versions",
    ref("agent_uid", "agents"),
    sa.Column("version", sa.Integer, sa.CheckConstraint("version > 0", name="positive"), nullable=False),
    text("name"),
    text("description"),
    flag("active"),
    json("config"),
    created(),
    sa.UniqueConstraint("agent_uid", "version"),
)
phone_numbers = table(
    "phone_numbers",
    owner(),
    text("number"),
    sa.Column("digits", sa.String(40), nullable=False, unique=True),  # one number rings in one place
    text("label"),
    sa.Column("sms", sa.Boolean, server_default=sa.false(), nullable=False),
    ref("agent_uid", "agents"),
    created(),
)
customers = table(
    "customers",
    owner(),
    external(),
    text("name"),
    text("name_key"),
    text("phone"),
    text("phone_digits"),
    text("phone_tail"),
    text("email"),
    json("tags"),
    json("custom_fields"),
    text("notes"),
    text("company"),
    text("title"),
    sa.Column("address", sa.JSON(none_as_null=True), nullable=False, server_default="{}"),
    created(),
    sa.UniqueConstraint("organization_uid", "external_id"),
    sa.Index(None, "organization_uid", "phone_tail"),
    sa.Index(None, "organization_uid", "name_key"),
)
services = table(
    "services",
    owner(),
    ref("business_uid", "businesses"),
    external(),
    text("name"),
    sa.Column("minutes", sa.Integer, sa.CheckConstraint("minutes > 0", name="positive"), nullable=False),
    sa.Column("price", sa.Float),
    sa.UniqueConstraint("organization_uid", "external_id"),
    sa.UniqueConstraint("business_uid", "name"),
)
resources = table(
    "resources",
    owner(),
    ref("business_uid", "businesses"),
    external(),
    text("name"),
    flag("active"),
    sa.UniqueConstraint("organization_uid", "external_id"),
)
opening_hours = table(
    "opening_hours",
    owner(),
    ref("business_uid", "businesses"),
    sa.Column("weekday", sa.Integer, sa.CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"), nullable=False),
    sa.Column("opens", sa.Integer, nullable=False),
    sa.Column("closes", sa.Integer, nullable=False),
    sa.CheckConstraint("0 <= opens AND opens < closes AND closes <= 1440", name="order"),
    sa.UniqueConstraint("business_uid", "weekday", "opens"),
)
# Figures are made from this index alone, without a look at the rows.
BOOKED = (
    *("organization_uid", "created_at", "status", "price", "business_uid", "service_uid", "resource_uid", "source"),
    "service",
)
appointments = table(  # that no resource is booked twice is a rule of the database: see engines.py
    "appointments",
    owner(),
    ref("business_uid", "businesses"),
    external(),
    ref("customer_uid", "customers", nullable=True, ondelete="SET NULL"),
    text("customer_name"),
    text("customer_phone"),
    text("phone_tail"),
    ref("resource_uid", "resources"),
    text("service"),
    sa.Column("service_uid", sa.String(36)),  # without a foreign key, as calls.business_uid
    sa.Column("price", sa.Float),  # of the service when it was booked
    sa.Column("starts_at", Instant(), nullable=False),
    sa.Column("ends_at", Instant(), nullable=False),
    sa.Column("status", sa.String(12), nullable=False),
    text("notes"),
    text("source"),
    text("cancel_reason"),
    ref("call_uid", "calls", nullable=True, ondelete="SET NULL"),
    created(),
    sa.CheckConstraint("starts_at < ends_at", name="order"),
    sa.UniqueConstraint("organization_uid", "external_id"),
    sa.Index("ix_appointments_sums", *BOOKED),
    sa.Index("ix_appointments_customer_sums", "organization_uid", "customer_uid", "status", "price", "starts_at"),
    sa.Index(None, "organization_uid", "starts_at"),
    sa.Index(None, "resource_uid", "starts_at"),
    sa.Index(None, "call_uid"),
)
callback_requests = table(
    "callback_requests",
    owner(),
    ref("business_uid", "businesses"),
    external(),
    ref("call_uid", "calls", nullable=True, ondelete="SET NULL"),
    ref("customer_uid", "customers", nullable=True, ondelete="SET NULL"),
    text("customer_name"),
    text("customer_phone"),
    text("reason"),
    created(),
    sa.UniqueConstraint("organization_uid", "external_id"),
)
knowledge_articles = table(
    "knowledge_articles",
    owner(),
    ref("business_uid", "businesses", nullable=True),
    external(),
    text("title"),
    text("content"),
    text("html"),
    text("category"),
    json("tags"),
    json("questions"),
    sa.Column("valid_from", Instant()),
    sa.Column("valid_until", Instant()),
    created(),
    sa.Column("updated_at", Instant(), nullable=False),
    sa.UniqueConstraint("organization_uid", "external_id"),
)
