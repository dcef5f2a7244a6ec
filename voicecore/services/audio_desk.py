"""Speech as a service: files to text and text to files, on the very engines of the calls.

The files it makes are kept for a day, and reached through signed URLs or by their own organization.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from config.schema import AgentSettings
from pipelines.audio import AudioFormat, Codec
from pipelines.audio_files import FileFormat, Sound, decode, encode
from pipelines.engines import EngineRoom
from pipelines.errors import EngineMissing, NotFound, Remedy, StageError
from pipelines.failover import FailoverTts
from pipelines.failover_stt import FailoverSttSession, open_stt
from pipelines.health import Health
from pipelines.roster import Named
from pipelines.stages import Stt, SttOptions, Transcript, Voice, Word
from voicecore.domain import instants
from voicecore.domain.audio_files import AudioFile
from voicecore.domain.ids import new_external_id, new_uid
from voicecore.services.agents import RoutedAgent
from voicecore.services.briefing import Briefings
from voicecore.services.equipment import voice_id as own_voice_id
from voicecore.storage import audio_files as rows
from voicecore.storage.database import Database

E = TypeVar("E")

HEARD_HZ, SPOKEN_HZ = 16000, 24000
LIFE = timedelta(days=1)
PIECE_S = 12.0  # at most, of a long file: recognisers are made for utterances
QUIET_S = 0.1  # a piece ends at the quietest of these near its end
FEED_BYTES = HEARD_HZ * 2 // 10
SWEEP_AT_ONCE = 200
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")


class AudioDesk:
    """`directory` is made when it is needed."""

    def __init__(self, database: Database, engines: EngineRoom, briefings: Briefings, directory: Path) -> None:
        self._database = database
        self._engines = engines
        self._briefings = briefings
        self._directory = directory

    # --- hearing --------------------------------------------------------------------------------------

    async def transcribe(
        self, organization_uid: str, data: bytes, language: str = "", agent_id: str = ""
    ) -> tuple[Transcript, float]:
        """What is said in an audio file, and how many seconds it lasts; `language` "": the agent's, or what the engine
        makes of it where it does not know that one. Raises ValidationError for what is no audio, StageError."""
        sound = await asyncio.to_thread(decode, data, HEARD_HZ)
        routed = await self._speaker(organization_uid, agent_id)
        settings = routed.agent.config if routed else AgentSettings()
        phrases = (await self._briefings.of(routed.business)).vocabulary(routed) if routed else ()
        options = SttOptions(language=language or settings.language, rate_hz=HEARD_HZ, phrases=phrases)
        chains = await self._engines.chains(settings, organization_uid)
        try:
            session = await _opened(chains.stt, options)
        except EngineMissing:
            if language:
                raise
            session = await _opened(chains.stt, SttOptions(language="", rate_hz=HEARD_HZ))
        heard: list[tuple[float, Transcript]] = []
        try:
            for start, piece in await asyncio.to_thread(pieces, sound):
                session.begin()
                for at in range(0, len(piece), FEED_BYTES):
                    session.feed(piece[at : at + FEED_BYTES])
                heard.append((start, await session.flush()))
                session.end()
        finally:
            await session.close()
        return joined(heard, options.language), sound.seconds

    # --- speaking -------------------------------------------------------------------------------------

    async def speak(
        self,
        organization_uid: str,
        text: str,
        file_format: FileFormat,
        *,
        voice_id: str | None = None,
        settings: dict[str, Any] | None = None,
        agent_id: str = "",
        conversation_uid: str | None = None,
        prefix: str = "tts",
    ) -> AudioFile:
        """A file of the text in a voice, or in the agent's own: also where the engine knows no voice of that name.
        Raises StageError."""
        routed = await self._speaker(organization_uid, agent_id)
        agent = routed.agent.config if routed else AgentSettings()
        wanted = agent.voice.settings | (settings or {})
        speed = wanted.get("speed", 1.0)
        chains = await self._engines.chains(agent, organization_uid)
        own = Voice(
            voice_id=own_voice_id(agent.voice, chains.tts[0].name),
            language=agent.language,
            speed=float(speed) if isinstance(speed, int | float) else 1.0,
            settings=wanted,
        )
        voice = own if voice_id is None else msgspec.structs.replace(own, voice_id=voice_id)
        tts = FailoverTts(_apart(chains.tts), lambda news: None)
        try:
            pcm = await _spoken(tts, text, voice)
        except StageError as error:
            if voice == own or error.remedy is Remedy.STOP:
                raise
            pcm = await _spoken(tts, text, own)
        return await self._kept(organization_uid, Sound(pcm, SPOKEN_HZ), file_format, conversation_uid, prefix)

    async def _kept(
        self, organization_uid: str, sound: Sound, file_format: FileFormat, conversation_uid: str | None, prefix: str
    ) -> AudioFile:
        now = instants.now()
        file = AudioFile(
            uid=new_uid(),
            organization_uid=organization_uid,
            external_id=new_external_id(prefix),
            conversation_uid=conversation_uid,
            format=file_format,
            duration_s=sound.seconds,
            created_at=now,
            expires_at=now + LIFE,
        )
        await asyncio.to_thread(self._write, file, sound, file_format)
        async with self._database.write() as connection:
            await rows.add(connection, file)
        return file

    def _write(self, file: AudioFile, sound: Sound, file_format: FileFormat) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / file.name).write_bytes(encode(sound, file_format))

    # --- files ----------------------------------------------------------------------------------------

    async def file(self, name: str, organization_uid: str | None) -> Path:
        """`organization_uid` None: the caller holds a signature for this file. Raises NotFound, also when it is
        over."""
        async with self._database.read() as connection:
            found = await rows.find(connection, name.partition(".")[0], organization_uid)
        if found is None or found.name != name or found.expires_at <= instants.now():
            raise NotFound("audio not found")
        path = self._directory / found.name
        if not await asyncio.to_thread(path.is_file):
            raise NotFound("audio not found")
        return path

    async def forget(self, files: list[AudioFile]) -> None:
        """From the disk, then from the records."""
        for file in files:
            await asyncio.to_thread(partial((self._directory / file.name).unlink, missing_ok=True))
        async with self._database.write() as connection:
            await rows.remove(connection, [file.uid for file in files])

    async def sweep(self) -> int:
        """Remove what is over. Returns how many files."""
        async with self._database.read() as connection:
            found = await rows.expired(connection, instants.now(), SWEEP_AT_ONCE)
        if found:
            await self.forget(found)
        return len(found)

    async def _speaker(self, organization_uid: str, agent_id: str) -> RoutedAgent | None:
        """The agent whose engines and voice are used; without a name the first. None: there is none. Raises NotFound
        for one that is named."""
        try:
            return await self._briefings.routed(organization_uid, agent_id)
        except NotFound:
            if agent_id:
                raise
            return None


def _apart(engines: Sequence[Named[E]]) -> list[Named[E]]:
    """The same engines with a health of their own: a voice or language that there is not is no failure for calls."""
    return [msgspec.structs.replace(named, health=Health(), hedge_s=0.0) for named in engines]


async def _opened(engines: Sequence[Named[Stt]], options: SttOptions) -> FailoverSttSession:
    return await open_stt(_apart(engines), options, lambda news: None)


async def _spoken(tts: FailoverTts, text: str, voice: Voice) -> bytes:
    audio_format, parts = AudioFormat(Codec.PCM16, SPOKEN_HZ), bytearray()
    for sentence in _SENTENCE_END.split(text.strip()):
        async with aclosing(tts.synthesize(sentence, voice, audio_format)) as chunks:
            async for chunk in chunks:
                parts += chunk.audio
    return bytes(parts)


def pieces(sound: Sound) -> list[tuple[float, bytes]]:
    """Parts of at most PIECE_S, cut where it is quietest, with the second at which each begins."""
    samples = np.frombuffer(sound.pcm, dtype=np.int16)
    longest, window = int(PIECE_S * sound.rate_hz), int(QUIET_S * sound.rate_hz)
    cuts = [0]
    while len(samples) - cuts[-1] > longest:
        begin = cuts[-1] + longest // 2
        rest = samples[begin : cuts[-1] + longest]
        blocks = np.abs(rest[: len(rest) // window * window].astype(np.int32)).reshape(-1, window).mean(axis=1)
        cuts.append(begin + int(blocks.argmin()) * window + window // 2)
    edges = [*cuts, len(samples)]
    return [(a / sound.rate_hz, samples[a:b].tobytes()) for a, b in pairwise(edges)]


def joined(heard: list[tuple[float, Transcript]], language: str) -> Transcript:
    """One transcript of all pieces, its words in the time of the whole."""
    words = tuple(
        Word(w.text, w.start_ms + start * 1000, w.end_ms + start * 1000, w.confidence)
        for start, transcript in heard
        for w in transcript.words
    )
    sure = [t.confidence for _, t in heard if t.confidence is not None]
    sure = sure or [w.confidence for w in words if w.confidence is not None]
    return Transcript(
        text=" ".join(t.text for _, t in heard if t.text),
        words=words,
        language=next((t.language for _, t in heard if t.language), None) or language,
        confidence=sum(sure) / len(sure) if sure else None,
    )
