"""Transcription over the realtime socket: audio goes up while the caller speaks, a flush commits what is new of it.

Every commit is an item of the provider's conversation. An utterance is a row of items; results name theirs, so that a
late one is never taken for another's. The socket comes from the shared pool: the SDK's would bring another library, and
a TLS context for every call.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from itertools import count
from typing import Any

import aiohttp
import msgspec

from pipelines.audio import AudioFormat, Codec, Transcoder
from pipelines.errors import StageError
from pipelines.providers._openai_client import PROVIDER, OpenaiClient
from pipelines.providers._refusals import refused
from pipelines.stages import Expect, SttOptions, Transcript

CHUNK_MS = 100  # of audio in one message
SHORTEST_MS = 100  # that can be committed
NATIVE_HZ = 24_000  # of its PCM
MOST_WAITING = 1300  # messages that the connection may be behind: two minutes of audio
LONGEST_TEXT = 20_000  # characters of one item: more than anybody says in a turn
LONGEST_MESSAGE = 1 << 20
CLOSING_S = 0.02  # to say goodbye: a call does not wait for it
ITEM = "conversation.item.input_audio_transcription"


class _Error(msgspec.Struct):
    message: str | None = None
    type: str | None = None
    code: str | None = None
    event_id: str | None = None  # of our message that caused it


class _Event(msgspec.Struct):
    type: str
    item_id: str = ""
    delta: str | None = None
    transcript: str | None = None
    error: _Error | None = None


class _Item:
    """Audio that was committed, and what became of it."""

    def __init__(self, message_id: str) -> None:
        self.message_id = message_id
        self.text = ""
        self.error: StageError | None = None
        self.done = asyncio.Event()

    def finish(self, text: str) -> None:
        self.text = text.strip()
        self.done.set()

    def fail(self, error: StageError) -> None:
        self.error = error
        self.done.set()


async def connect(client: OpenaiClient) -> aiohttp.ClientWebSocketResponse:
    """Raises StageError."""
    try:
        return await client.pool.session.ws_connect(
            f"{client.base_url}/realtime?intent=transcription",
            headers=client.authorization,
            max_msg_size=LONGEST_MESSAGE,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSING_S),
        )
    except aiohttp.WSServerHandshakeError as error:
        message = client.hidden(error.message)
        raise refused(error.status, error.headers or {}, message, stage="stt", provider=PROVIDER) from error
    except (aiohttp.ClientError, OSError) as error:
        raise client.failure(f"no connection ({type(error).__name__})") from error


class RealtimeSession:
    """One call's recogniser (`SttSession`), with a socket of its own and a task that reads and one that writes it."""

    def __init__(
        self,
        client: OpenaiClient,
        socket: aiohttp.ClientWebSocketResponse,
        transcription: dict[str, Any],
        options: SttOptions,
    ) -> None:
        self._client = client
        self._socket = socket
        self._language = options.language
        self._format = AudioFormat() if options.rate_hz == 8000 else AudioFormat(Codec.PCM16, NATIVE_HZ)
        self._transcoder = Transcoder(options.rate_hz, self._format)
        self._gathered = bytearray()  # in the provider's format, not sent yet
        self._appended_ms = 0.0  # sent, not committed
        self._begun = False
        self._failure: StageError | None = None
        self._utterance: list[_Item] = []
        self._unnamed: deque[_Item] = deque()  # committed; the provider has not told their ids
        self._named: dict[str, _Item] = {}
        self._live: dict[str, str] = {}  # item → text of audio that is not committed
        self._clearing = 0  # times that the provider was told to forget such audio and has not said that it did
        self._numbers = count(1)
        self._outbox: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)
        self._send("session.update", session=_session(self._format, transcription))
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    @property
    def partial(self) -> str:
        texts = [*(item.text for item in self._utterance), *self._live.values()]
        return " ".join(text.strip() for text in texts if text.strip())

    def begin(self, expect: Expect = Expect.ANYTHING) -> None:
        self.end()
        self._begun = True

    def feed(self, pcm: bytes) -> None:
        if self._begun:
            self._gathered += self._transcoder.feed(pcm)
            if len(self._gathered) >= CHUNK_MS * self._format.bytes_per_ms:
                self._pass_on()

    async def flush(self) -> Transcript:
        if self._begun:
            self._commit()
        if self._failure is not None:
            raise self._failure
        items = tuple(self._utterance)
        for item in items:
            await item.done.wait()
            if item.error is not None:
                raise item.error
        text = " ".join(item.text for item in items if item.text)
        return Transcript(text, language=self._language)

    def end(self) -> None:
        self._begun = False
        self._utterance = []
        self._live.clear()
        self._gathered.clear()
        if self._appended_ms:
            self._appended_ms = 0.0
            self._clearing += 1
            self._send("input_audio_buffer.clear")

    async def close(self) -> None:
        self._fail(self._client.failure("session closed"))
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._socket.close()

    # --- up -----------------------------------------------------------------------------------------

    def _pass_on(self) -> None:
        if self._gathered:
            self._send("input_audio_buffer.append", audio=base64.b64encode(self._gathered).decode())
            self._appended_ms += self._format.duration_ms(len(self._gathered))
            self._gathered.clear()

    def _commit(self) -> None:
        """What is too short for a commit goes with the next one."""
        self._pass_on()
        if self._appended_ms >= SHORTEST_MS:
            self._appended_ms = 0.0
            item = _Item(self._send("input_audio_buffer.commit"))
            self._utterance.append(item)
            self._unnamed.append(item)

    def _send(self, kind: str, **fields: Any) -> str:
        """Returns the message's id."""
        message_id = f"{kind}-{next(self._numbers)}"
        if self._failure is None:
            try:
                self._outbox.put_nowait(json.dumps({"type": kind, "event_id": message_id, **fields}))
            except asyncio.QueueFull:
                self._fail(self._client.failure("the connection does not take the audio"))
        return message_id

    async def _write(self) -> None:
        try:
            while True:
                await self._socket.send_str(await self._outbox.get())
        except (aiohttp.ClientError, OSError) as error:
            self._fail(self._client.failure(f"the connection broke ({type(error).__name__})"))

    # --- down ---------------------------------------------------------------------------------------

    async def _read(self) -> None:
        decoder = msgspec.json.Decoder(_Event)
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._received(decoder.decode(message.data))
            self._fail(self._client.failure(f"the connection was closed ({self._socket.close_code})"))
        except ValueError as error:
            self._fail(self._client.failure(f"malformed event ({type(error).__name__})"))

    def _received(self, event: _Event) -> None:
        match event.type:
            case "input_audio_buffer.committed" if self._unnamed:
                item = self._unnamed.popleft()
                item.text = self._live.pop(event.item_id, "")
                self._live.clear()
                self._named[event.item_id] = item
            case "input_audio_buffer.cleared":
                self._clearing = max(0, self._clearing - 1)
            case kind if kind == f"{ITEM}.delta":
                self._heard(event.item_id, event.delta or "")
            case kind if kind == f"{ITEM}.completed" and event.item_id in self._named:
                self._named.pop(event.item_id).finish(event.transcript or "")
            case kind if kind == f"{ITEM}.failed" and event.item_id in self._named:
                self._named.pop(event.item_id).fail(self._told(event.error))
            case "error":
                self._refused(event.error)

    def _heard(self, item_id: str, text: str) -> None:
        item = self._named.get(item_id)
        if item is not None:
            item.text += text
        elif not self._clearing and self._begun:
            self._live = {item_id: self._live.get(item_id, "") + text}
        if len(item.text if item else self._live.get(item_id, "")) > LONGEST_TEXT:
            self._fail(self._client.failure("an endless transcript"))

    def _refused(self, error: _Error | None) -> None:
        item = next((one for one in self._unnamed if error and one.message_id == error.event_id), None)
        if item is None:
            self._fail(self._told(error))
            return
        self._unnamed.remove(item)
        if error and error.code == "input_audio_buffer_commit_empty":
            item.finish("")
        else:
            item.fail(self._told(error))

    def _told(self, error: _Error | None) -> StageError:
        error = error or _Error()
        return self._client.told(error.code, error.type, error.message)

    def _fail(self, error: StageError) -> None:
        """The session is over; whoever waits or asks for a text is told why."""
        if self._failure is None:
            self._failure = error
            for item in (*self._unnamed, *self._named.values()):
                item.fail(error)


def _session(audio_format: AudioFormat, transcription: dict[str, Any]) -> dict[str, Any]:
    """The provider's own detection of turns is off: when to commit is decided here, and its live models have none."""
    wire = {"type": "audio/pcmu"} if audio_format.codec is Codec.ULAW else {"type": "audio/pcm", "rate": NATIVE_HZ}
    return {
        "type": "transcription",
        "audio": {"input": {"format": wire, "transcription": transcription, "turn_detection": None}},
    }
