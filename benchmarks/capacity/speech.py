"""What the benchmark's callers say: real speech from the repository, cut to frames and encoded before the clock runs.

Each utterance knows its last audible sample, and the frame with which a detector's evidence is complete (the end
of the turn, an interruption), found by replaying it through our own detector offline.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import msgspec

from config.schema import TurnPolicy
from pipelines.audio import FRAME_MS, Codec, to_pcm16
from pipelines.machines.boundaries import SpeechStarted, TurnEnded
from pipelines.machines.endpointing import Endpointer
from pipelines.providers.webrtc import WebrtcVadOptions, WebrtcVadStream
from voicecore.phone import clips
from voicecore.phone.dialect import encode_payload
from voicecore.phone.playback import SILENT_FRAME

ROOT = Path(__file__).resolve().parents[2]
LONGEST_PAUSE_MS = 260  # a clip with a longer pause inside might be two turns for an impatient server
LEAD_FRAMES = 50
TRAIL_FRAMES = 120
SILENCE = encode_payload(SILENT_FRAME).encode()


class Utterance(msgspec.Struct, frozen=True):
    """`payloads` are base64, one a frame. Times are milliseconds from the start of the first frame."""

    name: str
    payloads: tuple[bytes, ...]
    speech_end_ms: float  # last audible sample
    voiced_end_ms: float  # end of the last frame that our detector calls speech: where a silence rule begins
    barge_in_ms: float  # end of the frame with which enough speech for an interruption was heard

    @property
    def duration_ms(self) -> int:
        return len(self.payloads) * FRAME_MS


def utterances(policy: TurnPolicy | None = None) -> list[Utterance]:
    """The demo's sentences and the test suite's, those that are one turn without a long pause inside."""
    wanted = policy or TurnPolicy()
    found = [(clip.text[:24], clip) for clip in clips.shipped()]
    for path in sorted((ROOT / "tests" / "audio").glob("*.ulaw")):
        if path.stem not in ("noisy", "phone"):  # noise without an end, and digits said one by one
            clip = clips.make_clip(path.read_bytes(), path.stem)
            found.append((path.stem, clip))
    kept = [one for name, clip in found if (one := _analyse(name, clip, wanted)) is not None]
    if len(kept) < 4:
        raise RuntimeError(f"only {len(kept)} of {len(found)} clips are usable: is this a whole checkout?")
    return kept


def _analyse(name: str, clip: clips.Clip, policy: TurnPolicy) -> Utterance | None:
    vad = WebrtcVadStream(WebrtcVadOptions(), 8000)
    endpointer = Endpointer(policy)
    frames = [SILENT_FRAME] * LEAD_FRAMES + list(clip.frames) + [SILENT_FRAME] * TRAIL_FRAMES
    origin_ms = LEAD_FRAMES * FRAME_MS
    voiced: list[float] = []
    barge_in_ms = 0.0
    starts = ends = 0
    for index, frame in enumerate(frames):
        at_ms = float(index * FRAME_MS)
        speech = vad.feed(to_pcm16(frame, Codec.ULAW))
        boundary = endpointer.feed(at_ms, at_ms + FRAME_MS, speech)
        starts += isinstance(boundary, SpeechStarted)
        ends += isinstance(boundary, TurnEnded)
        if speech:
            voiced.append(at_ms)
        if not barge_in_ms and endpointer.speech_ms >= policy.barge_in_ms:
            barge_in_ms = at_ms + FRAME_MS - origin_ms
    pauses = [after - before - FRAME_MS for before, after in pairwise(voiced)]
    if starts != 1 or ends != 1 or max(pauses, default=0.0) > LONGEST_PAUSE_MS or not barge_in_ms:
        return None
    return Utterance(
        name=name,
        payloads=tuple(payload.encode() for payload in clip.payloads),
        speech_end_ms=clip.last_audible / 8.0,
        voiced_end_ms=voiced[-1] + FRAME_MS - origin_ms,
        barge_in_ms=barge_in_ms,
    )
