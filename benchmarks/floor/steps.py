"""The steps of one frame, each alone: decoding, base64, mu-law, voice detection, encoding.

What is not installed is reported as missing, not left out.
"""

from __future__ import annotations

import base64
import binascii
import json
from functools import partial
from importlib import import_module
from types import ModuleType

import msgspec
import numpy as np

from benchmarks.floor.measure import Step, absent, timed
from pipelines.audio import Codec, from_pcm16, rms, to_pcm16
from pipelines.errors import EngineMissing
from pipelines.providers._silero_network import SILENT_STATE, Network, Window, find_model
from pipelines.providers.webrtc import WebrtcVadOptions, WebrtcVadStream
from voicecore.transports.twilio import TwilioDialect


class _Body(msgspec.Struct, gc=False):
    payload: str


class _Media(msgspec.Struct, tag_field="event", tag="media", gc=False):
    media: _Body


class _BytesBody(msgspec.Struct, gc=False):
    payload: bytes


class _BytesMedia(msgspec.Struct, tag_field="event", tag="media", gc=False):
    media: _BytesBody


def _optional(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ImportError:
        return None


def decoding(message: bytes) -> list[Step]:
    group = "JSON decode"
    untyped = msgspec.json.Decoder().decode
    typed, with_bytes = msgspec.json.Decoder(_Media).decode, msgspec.json.Decoder(_BytesMedia).decode
    dialect = TwilioDialect()
    found = [
        timed(group, "json", lambda: json.loads(message)),
        timed(group, "msgspec, untyped", lambda: untyped(message)),
        timed(group, "msgspec, typed struct", lambda: typed(message)),
        timed(group, "msgspec, typed struct, payload: bytes (base64 included)", lambda: with_bytes(message)),
        timed(group, "our dialect.receive (base64 included)", lambda: dialect.receive(message)),
    ]
    orjson = _optional("orjson")
    if orjson is None:
        return [*found, absent(group, "orjson", "not installed")]
    loads = orjson.loads
    return [*found, timed(group, "orjson", lambda: loads(message))]


def payloads(payload: bytes) -> list[Step]:
    group = "base64 decode, 160 bytes"
    decode = msgspec.json.Decoder(bytes).decode
    quoted = b'"' + payload + b'"'
    found = [
        timed(group, "base64", lambda: base64.b64decode(payload)),
        timed(group, "binascii", lambda: binascii.a2b_base64(payload)),
        timed(group, "msgspec, as bytes", lambda: decode(quoted)),
    ]
    pybase64 = _optional("pybase64")
    if pybase64 is None:
        return [*found, absent(group, "pybase64", "not installed")]
    fast = pybase64.b64decode
    return [*found, timed(group, "pybase64", lambda: fast(payload))]


def samples(ulaw: bytes) -> list[Step]:
    pcm = to_pcm16(ulaw, Codec.ULAW)
    table = np.array([np.frombuffer(to_pcm16(bytes([i]), Codec.ULAW), np.int16)[0] for i in range(256)], np.int16)
    group = "mu-law → PCM, 160 samples"
    return [
        timed(group, "numpy table", lambda: table[np.frombuffer(ulaw, np.uint8)]),
        timed(group, "numpy take", lambda: table.take(np.frombuffer(ulaw, np.uint8))),
        timed(group, "audioop", lambda: to_pcm16(ulaw, Codec.ULAW)),
        timed("PCM → mu-law", "audioop", lambda: from_pcm16(pcm, Codec.ULAW)),
        timed("level", "audioop rms", lambda: rms(pcm)),
    ]


def detectors(speech: list[bytes]) -> list[Step]:
    """`speech`: frames of signed samples, so that adaptive detectors see real audio."""
    group = "voice detection"
    stream = WebrtcVadStream(WebrtcVadOptions(), 8000)

    def hear() -> None:
        for pcm in speech:
            stream.feed(pcm)

    found = [timed(group, "webrtcvad behind our energy gate", hear, per=len(speech))]
    try:
        network = Network(find_model(""))
    except EngineMissing as error:
        return [*found, absent(group, "Silero through onnxruntime", str(error))]
    window = Window(8000)
    pcm = b"".join(speech)
    for batch in (1, 4, 16, 32):
        audio = [pcm[at : at + window.size] for at in range(0, batch * window.step, window.step)]
        states = [SILENT_STATE] * batch
        name = f"Silero's network, a 32 ms window of each of {batch} calls, per window"
        run = partial(network.run, window, audio, states)
        found.append(timed(group, name, run, batches=15, per=batch, note="only where the first stage hears speech"))
    return found


def encoding(ulaw: bytes) -> list[Step]:
    group = "encode an outbound media message, 100 ms"
    audio = ulaw * 5
    dialect = TwilioDialect()
    dialect.receive(b'{"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ1","callSid":"CA1"}}')
    body = {"event": "media", "streamSid": "MZ1", "media": {"payload": audio}}
    encode = msgspec.json.Encoder().encode
    return [
        timed(group, "json", lambda: json.dumps(
            {"event": "media", "streamSid": "MZ1", "media": {"payload": base64.b64encode(audio).decode()}})),
        timed(group, "msgspec", lambda: encode(body)),
        timed(group, "our dialect.audio (concatenation)", lambda: dialect.audio(audio)),
    ]  # fmt: skip
