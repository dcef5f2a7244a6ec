"""Rows of audio files that were made for clients."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from voicecore.domain.audio_files import AudioFile
from voicecore.storage import records
from voicecore.storage.schema import audio_files


async def add(connection: AsyncConnection, file: AudioFile) -> None:
    await records.insert(connection, audio_files, file)


async def find(connection: AsyncConnection, external_id: str, organization_uid: str | None) -> AudioFile | None:
    """Without an organization only for a bearer of a signed URL, which names this very file."""
    query = sa.select(audio_files).where(audio_files.c.external_id == external_id)
    if organization_uid is not None:
        query = query.where(audio_files.c.organization_uid == organization_uid)
    return await records.first(connection, AudioFile, query)


async def expired(connection: AsyncConnection, at: datetime, most: int) -> list[AudioFile]:
    query = sa.select(audio_files).where(audio_files.c.expires_at <= at).order_by(audio_files.c.expires_at)
    return await records.every(connection, AudioFile, query.limit(most))


async def of_conversations(connection: AsyncConnection, conversation_uids: list[str]) -> list[AudioFile]:
    query = sa.select(audio_files).where(audio_files.c.conversation_uid.in_(conversation_uids))
    return await records.every(connection, AudioFile, query)


async def remove(connection: AsyncConnection, uids: list[str]) -> None:
    await connection.execute(sa.delete(audio_files).where(audio_files.c.uid.in_(uids)))
