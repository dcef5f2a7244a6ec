"""OpenAI, and every server that speaks its protocol: language model, recogniser and voice, through the `openai` SDK.

`base_url` makes it Ollama, vLLM, llama.cpp, LiteLLM or another's. The SDK is imported when an engine is made.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pipelines.registry import ProviderSpec
from pipelines.secrets import Secret

if TYPE_CHECKING:
    from pipelines.providers._openai_llm import OpenaiLlm
    from pipelines.providers._openai_stt import OpenaiStt
    from pipelines.providers._openai_tts import OpenaiTts

OPENAI_URL = "https://api.openai.com/v1"


class OpenaiOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of all three stages; each takes what concerns it."""

    api_key: Secret = Secret("env:OPENAI_API_KEY")  # "": the server wants none
    base_url: str = OPENAI_URL
    model: str = ""  # "": gpt-6-luna; gpt-transcribe or gpt-live-transcribe; gpt-4o-mini-tts

    # Language model
    reasoning_effort: str | None = None  # None: "none" at OpenAI, where tools go with nothing else; elsewhere unsaid
    max_tokens_field: Literal["", "max_tokens", "max_completion_tokens"] = ""  # "": the latter at OpenAI only
    omit: tuple[str, ...] = ()  # fields of the request that the server does not take, as "stream_options"
    extra_body: dict[str, Any] = {}  # fields that only this server knows

    # Recogniser
    mode: Literal["realtime", "http"] = "realtime"
    prompt: str = ""  # what calls are about, for models that take it

    # Voice
    voice: str = "marin"  # for agents that name none
    instructions: str = ""  # how to speak
    pcm_rate_hz: Annotated[int, Meta(ge=8000, le=48000)] = 24_000  # of what the server calls "pcm"

    @property
    def of_openai(self) -> bool:
        return self.base_url.rstrip("/") == OPENAI_URL


async def _load(name: str) -> Any:
    """The part of this adapter that needs the SDK. Loading it takes one to two seconds: in a thread."""

    def load() -> Any:
        importlib.import_module("pipelines.providers._openai_client").rehearse()
        return importlib.import_module(f"pipelines.providers._openai_{name}")

    return await asyncio.to_thread(load)


async def _llm(options: OpenaiOptions) -> OpenaiLlm:
    engine: OpenaiLlm = (await _load("llm")).OpenaiLlm(options)
    return engine


async def _stt(options: OpenaiOptions) -> OpenaiStt:
    engine: OpenaiStt = (await _load("stt")).OpenaiStt(options)
    return engine


async def _tts(options: OpenaiOptions) -> OpenaiTts:
    engine: OpenaiTts = (await _load("tts")).OpenaiTts(options)
    return engine


PROVIDER = ProviderSpec(name="openai", options=OpenaiOptions, llm=_llm, stt=_stt, tts=_tts)
