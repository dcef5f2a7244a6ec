"""Runs inside `voicecore.storage.database.upgrade`, on a connection that somebody else opened."""

from __future__ import annotations

from alembic import context

from voicecore.storage.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
