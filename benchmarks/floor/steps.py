"""The steps of one frame, each alone: decoding, base64, mu-law, voice detection, encoding.

What is not installed is reported as missing, not left out.
"""

from __future__ import annotations

import base64
import binascii
import json
from importlib import import_module
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np

from benchmarks.floor.measure import Step, absent, timed
from pipelines.audio import Codec, from_pcm16, rms, to_pcm16
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
    found = [_webrtc(group, speech)]
    try:
        found += _silero(group, b"".join(speech))
    except (ImportError, FileNotFoundError) as error:
        found.append(absent(group, "Silero through onnxruntime", f"{error} (pip install onnxruntime faster-whisper)"))
    return found


def _webrtc(group: str, speech: list[bytes]) -> Step:
    stream = WebrtcVadStream(WebrtcVadOptions(), 8000)

    def hear() -> None:
        for pcm in speech:
            stream.feed(pcm)

    return timed(group, "webrtcvad behind our energy gate", hear, per=len(speech))


def _model_path() -> Path:
    """The Silero file among faster-whisper's assets, without importing the package."""
    try:
        listed = files("faster-whisper") or []
    except PackageNotFoundError as error:
        raise FileNotFoundError("no Silero file: faster-whisper is not installed") from error
    for entry in listed:
        if entry.name.startswith("silero") and entry.name.endswith(".onnx"):
            return Path(str(entry.locate()))
    raise FileNotFoundError("no Silero file among faster-whisper's assets")


def _silero(group: str, pcm: bytes) -> list[Step]:
    onnxruntime: Any = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(_model_path()), sess_options=options, providers=["CPUExecutionProvider"])
    inputs = {one.name: one.shape for one in session.get_inputs()}
    audio = np.frombuffer(pcm, np.int16).astype(np.float32) / 32768.0
    found: list[Step] = []
    for batch in (1, 16, 32):
        feed = _silero_feed(inputs, audio, batch)
        name = f"Silero, one session, batch of {batch} calls, per window"
        try:
            session.run(None, feed)
        except Exception as error:  # the runtime's own errors share no base; a model of another shape is a finding
            return [*found, absent(group, name, f"{type(error).__name__}: inputs are {inputs}")]
        found.append(timed(group, name, lambda feed=feed: session.run(None, feed), batches=15, per=batch))  # type: ignore[misc]
    return found


def _silero_feed(inputs: dict[str, list[Any]], audio: Any, batch: int) -> dict[str, Any]:
    """One window for each of `batch` calls, whatever generation of the model this is."""
    window = 256 + 32  # 32 ms at 8 kHz and the context that the model wants before it
    width = inputs["input"][-1] if isinstance(inputs.get("input", [None])[-1], int) else window
    rows = np.stack([np.resize(audio[n * 256 :], width) for n in range(batch)])
    feed: dict[str, Any] = {"input": rows}
    for name, shape in inputs.items():
        if name == "sr":
            feed[name] = np.array(8000, dtype=np.int64)
        elif name != "input":
            feed[name] = np.zeros([size if isinstance(size, int) and size != 1 else _free(size, i, batch)
                                   for i, size in enumerate(shape)], dtype=np.float32)  # fmt: skip
    return feed


def _free(size: object, axis: int, batch: int) -> int:
    """State is (layers, batch, width): its middle axis follows the batch."""
    return batch if axis == 1 else size if isinstance(size, int) else 2


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
