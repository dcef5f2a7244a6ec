"""Settings of the shared Whisper engine."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

NAME = "faster-whisper"


class FasterWhisperOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str = "small"  # a directory, or a name whose weights are in the local Hugging Face cache
    device: Literal["auto", "cpu", "cuda"] = "auto"
    device_index: Annotated[int, Meta(ge=0)] = 0
    compute_type: str = ""  # of CTranslate2; "": int8 on a CPU, float16 on a GPU
    cpu_threads: Annotated[int, Meta(ge=0, le=256)] = 0  # 0: CTranslate2's default
    beam_size: Annotated[int, Meta(ge=1, le=10)] = 1
    language: str = ""  # "": the agent's; "auto": detected once per call; else this one
    languages: tuple[str, ...] = ()  # what a detection chooses from; (): all that the model knows
    hotword_tokens: Annotated[int, Meta(ge=0, le=150)] = 64  # of the agent's vocabulary, given to every request
    word_times: bool = False  # costs one more run of the decoder
    window_s: Annotated[int, Meta(ge=2, le=30)] = 30  # least audio the encoder is given; see docs/engines
    settle_ms: Annotated[int, Meta(ge=200, le=10_000)] = 400  # what precedes such a pause is not transcribed again
    max_batch: Annotated[int, Meta(ge=0, le=256)] = 0  # requests in one run; 0: 16 on a GPU, 4 on a CPU
    collect_ms: Annotated[int, Meta(ge=0, le=200)] = 10  # an idle engine waits so long for company
    max_waiting: Annotated[int, Meta(ge=1, le=10_000)] = 64  # requests; the next one is refused
