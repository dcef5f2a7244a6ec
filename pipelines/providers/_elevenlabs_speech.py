"""Speech over ElevenLabs' multi-context socket: many texts at once on a few connections, each in a context of its own.

A context counts - at the provider and here - until the provider has confirmed its end, also when nobody listens any
more: asking for a new one earlier costs the whole connection. It knows nothing of voices' settings and of HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import count
from typing import Any

import msgspec

from pipelines.errors import StageError
from pipelines.providers._elevenlabs_audio import Wire
from pipelines.providers._elevenlabs_link import Account, Link
from pipelines.providers._elevenlabs_places import Places
from pipelines.providers._elevenlabs_words import Aligner
from pipelines.stages import TtsChunk

# Without an alignment of the whole text nothing says that a flushed text is spoken to its end, except that nothing
# more comes. The reference contradicts itself on what closing does to the rest of a flushed text: it is not hurried.
QUIET_S = 0.3
INCOMPLETE_S = 1.2  # where characters are missing that may still come
ROUNDING_MS = 20.0
FORGOTTEN_S = 5.0  # from leaving a context to the confirmation of its end; then the whole connection is doubted
UNREAD_BYTES = 8 * 1024 * 1024  # of one context: 12 minutes of a telephone call
BEFORE_INACTIVE_S = 5.0  # a connection that is about to be closed for inactivity is not begun on

_names = count(1)


class Alignment(msgspec.Struct, frozen=True, rename="camel"):
    """Times count from the beginning of the audio that it comes with."""

    chars: list[str] = []
    char_start_times_ms: list[float] = []
    char_durations_ms: list[float] = []


class Message(msgspec.Struct, frozen=True, rename="camel"):
    """Any message of the server. The guide writes `is_final` where the reference writes `isFinal`."""

    context_id: str | None = None
    audio: str | None = None
    alignment: Alignment | None = None
    normalized_alignment: Alignment | None = None
    is_final: bool | None = None
    is_final_in_guide: bool | None = msgspec.field(default=None, name="is_final")
    error: str | None = None
    message: str | None = None
    code: int | None = None

    @property
    def last(self) -> bool:
        return bool(self.is_final or self.is_final_in_guide)

    @property
    def size(self) -> int:
        """About what it takes to keep."""
        return len(self.audio or "") + 500


class Context:
    """One text on its way. `said` ends with an error or with a message that is final."""

    def __init__(self, text: str) -> None:
        self.name = f"text-{next(_names)}"
        self.text = text
        self.said: asyncio.Queue[Message | StageError] = asyncio.Queue()
        self.unread_bytes = 0
        self.closing = False  # the provider was told
        self.left = False  # nobody listens
        self.forgotten: asyncio.TimerHandle | None = None


class SpeechSocket:
    """One connection of one voice, model and format. `gone` is told when nothing of it is left."""

    def __init__(
        self,
        path: str,
        account: Account,
        places: Places,
        most: int,
        inactive_s: float,
        gone: Callable[[SpeechSocket], None],
    ) -> None:
        self._account = account
        self._places = places
        self._most = most
        self._inactive_s = inactive_s
        self._gone = gone
        self._contexts: dict[str, Context] = {}
        self._over = False
        self.failure: StageError | None = None  # why the connection is gone
        self.link = Link(path, account, self)
        self._used_s = asyncio.get_running_loop().time()

    @property
    def has_room(self) -> bool:
        idle_s = asyncio.get_running_loop().time() - self._used_s
        fresh = bool(self._contexts) or idle_s < self._inactive_s - BEFORE_INACTIVE_S
        return not self._over and fresh and len(self._contexts) < self._most

    def keep_alive(self) -> None:
        self._send({"text": ""})

    def begin(self, text: str, first: dict[str, Any]) -> Context:
        """The caller has a place; it is given back with the context. `first` goes into its first message."""
        context = Context(text)
        self._contexts[context.name] = context
        self._send({"text": " ", "context_id": context.name, **first})
        self._send({"text": f"{text} ", "context_id": context.name, "flush": True})
        return context

    def close_context(self, context: Context) -> None:
        if not context.closing:
            context.closing = True
            self._send({"context_id": context.name, "close_context": True})

    def leave(self, context: Context) -> None:
        """Nobody listens to it any more."""
        if context.left:
            return
        context.left = True
        if context.name in self._contexts and not self.link.is_open:
            self.link.withdraw(lambda message: message.get("context_id") == context.name)  # nor is it to be paid
            self._end(context, self._account.failed("given up"))
        elif context.name in self._contexts:
            self.close_context(context)
            loop = asyncio.get_running_loop()
            context.forgotten = loop.call_later(FORGOTTEN_S, self._forget, context)

    def close(self) -> None:
        """Whoever listens is told."""
        self._send({"close_socket": True})
        self._break(self._account.failed("the engine was closed"))

    # --- from the link ------------------------------------------------------------------------------

    def message(self, data: bytes) -> None:
        try:
            message = msgspec.json.decode(data, type=Message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._break(self._account.failed("a message that is none of the protocol"))
            return
        context = self._contexts.get(message.context_id or "")
        if message.error is not None or (message.code is not None and message.message is not None):
            kind = message.error or "error"
            error = self._account.told(kind, message.message or "", message.code)
            if context is None:  # the connection's own; the provider closes it
                self._break(error)
            else:
                self._end(context, error)
        elif context is not None:
            self._route(context, message)

    def lost(self, error: StageError) -> None:
        self._over, self.failure = True, error
        for context in list(self._contexts.values()):
            self._end(context, error)
        self._gone(self)

    # --- inside -------------------------------------------------------------------------------------

    def _route(self, context: Context, message: Message) -> None:
        if message.last:
            self._end(context, message)
        elif not context.left:
            context.unread_bytes += message.size
            context.said.put_nowait(message)
            if context.unread_bytes > UNREAD_BYTES:
                context.said.put_nowait(self._account.failed("more speech than anybody listens to"))
                self.leave(context)

    def _end(self, context: Context, last: Message | StageError) -> None:
        """The provider has done with it."""
        del self._contexts[context.name]
        self._places.give_back()
        if context.forgotten is not None:
            context.forgotten.cancel()
        context.said.put_nowait(last)
        if self._over and not self._contexts:
            self.link.close()
            self._gone(self)

    def _forget(self, context: Context) -> None:
        """Its end was never confirmed: no new text is begun here."""
        self._over = True
        self._end(context, self._account.failed("not closed in time"))

    def _break(self, error: StageError) -> None:
        self.link.close()
        self.lost(error)

    def _send(self, message: dict[str, Any]) -> None:
        self._used_s = asyncio.get_running_loop().time()
        self.link.send(message)


async def listen(socket: SpeechSocket, context: Context, wire: Wire, account: Account) -> AsyncGenerator[TtsChunk]:
    """The speech of a context, until it is whole. Leaving it early closes the context. Raises StageError."""
    aligner, exact = Aligner(context.text), True
    try:
        while True:
            awaited = exact and aligner.end_ms > 0.0 and not aligner.complete
            message = await _next(socket, context, wire, INCOMPLETE_S if awaited else QUIET_S)
            if isinstance(message, StageError):
                raise message
            if message.last:
                break
            alignment = message.alignment or message.normalized_alignment
            exact = exact and alignment is message.alignment  # a normalized text has other characters than ours
            words = aligner.feed(_times(alignment, wire.received_ms)) if alignment else ()
            try:
                audio = wire.feed(message.audio or "")
            except ValueError as error:
                raise account.failed("audio that is no audio") from error
            if audio or words:
                yield TtsChunk(audio, words)
            if exact and aligner.complete and wire.received_ms >= aligner.end_ms - ROUNDING_MS:
                socket.close_context(context)
        if exact and aligner.cut_short:
            raise account.failed("speech that stops in the middle of its text")
        tail, words = wire.end(), aligner.rest()
        if tail or words:
            yield TtsChunk(tail, words)
    finally:
        socket.leave(context)


async def _next(socket: SpeechSocket, context: Context, wire: Wire, quiet_s: float) -> Message | StageError:
    if wire.received_ms and not context.closing:
        try:
            async with asyncio.timeout(quiet_s):
                return await _taken(context)
        except TimeoutError:
            socket.close_context(context)
    return await _taken(context)


async def _taken(context: Context) -> Message | StageError:
    message = await context.said.get()
    if isinstance(message, Message):
        context.unread_bytes -= message.size
    return message


def _times(alignment: Alignment, offset_ms: float) -> list[tuple[str, float, float]]:
    pairs = zip(alignment.chars, alignment.char_start_times_ms, alignment.char_durations_ms, strict=False)
    return [(text, offset_ms + start, offset_ms + start + length) for text, start, length in pairs]
