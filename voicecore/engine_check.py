"""Examines the engines of the configured pipeline: package, key, model, and whether they work.

Engines of this machine are given a tiny job. Those behind a network are only made, which asks nobody and costs nothing;
a request, the cheapest there is, goes out on demand only. Of a key it says where it is looked for, never the key.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

from config.loader import pipeline
from config.schema import ServerSettings, StageSettings
from pipelines import registry
from pipelines.abilities import Warmable, WarmableVoice
from pipelines.audio import TELEPHONE
from pipelines.errors import EngineMissing, KeyRefused, StageError, VoicecoreError
from pipelines.secrets import NoStore, Secret, Store
from pipelines.stages import Stt, SttOptions, Tts, Vad, Voice
from voicecore.findings import Finding, Verdict
from voicecore.services import operator

TIMEOUT_S = 60.0
SILENCE = b"\x00\x00" * 160  # 20 ms at 8 kHz
TEST_SENTENCE = "One, two, three."


async def engines(settings: ServerSettings, *, online: bool = False) -> AsyncIterator[Finding]:
    """The stages of the configured pipeline and their fallbacks; a broken fallback is a warning."""
    try:
        stages = pipeline(settings.pipeline, settings)
    except VoicecoreError as error:
        yield Finding("pipeline", Verdict.FAIL, error.message, "voicecore doctor --config FILE")
        return
    async with _stored(settings) as store:
        for name in registry.STAGES:
            stage: StageSettings | None = getattr(stages, name)
            if stage is None:
                continue
            yield await engine(name, stage, Verdict.FAIL, store=store, online=online)
            for fallback in stage.fallback:
                yield await engine(name, fallback, Verdict.WARN, store=store, online=online)


@contextlib.asynccontextmanager
async def _stored(settings: ServerSettings) -> AsyncIterator[Store]:
    """The stored keys; none when there is no database, or none that opens: that is another check's business."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            office = await stack.enter_async_context(operator.opened(settings))
        except VoicecoreError:
            yield NoStore()
            return
        yield office.secrets(settings)


async def engine(
    stage: str,
    wanted: StageSettings,
    verdict: Verdict,
    *,
    store: Store | None = None,
    online: bool = False,
) -> Finding:
    """Start one engine, give it a tiny job, stop it. `verdict`: what it means if that fails."""
    check = f"{stage}/{wanted.provider}"
    started = asyncio.get_running_loop().time()
    keys: dict[str, Secret] = {}
    try:
        async with asyncio.timeout(TIMEOUT_S):
            keys = registry.secret_names(stage, wanted, source=f"pipeline.{stage}")
            work = await _exercise(stage, wanted, store or NoStore(), online=online)
    except VoicecoreError as error:
        return Finding(check, verdict, error.message, _advice(error, keys))
    except TimeoutError:
        return Finding(check, verdict, f"no answer within {TIMEOUT_S:.0f} s", "is this machine overloaded?")
    except ImportError as error:
        text = f"package missing ({error.name})"
        return Finding(check, verdict, text, f"pip install 'voicecore[{wanted.provider}]'")
    took_ms = (asyncio.get_running_loop().time() - started) * 1000
    places = "".join(f"; {option} from {key.reference}" for option, key in keys.items())
    return Finding(check, Verdict.OK, f"{work} ({took_ms:.0f} ms with its start){places}")


def _advice(error: VoicecoreError, keys: dict[str, Secret]) -> str:
    if isinstance(error, EngineMissing):
        for option, key in keys.items():
            if error.message.startswith(f"{error.stage}/{error.provider}: {option}: "):
                return _how_to_put(key)
        found = re.search(r"pip install .*|hf download \S+", error.message)
        return found.group() if found else "pip install 'voicecore[embedded]'"
    if keys and isinstance(error, KeyRefused):
        return f"is the right key in {' and '.join(key.reference for key in keys.values())}?"
    if isinstance(error, StageError):
        return "is the network up, and the address right?"
    return "see the message; voicecore serve --log-level debug says more"


def _how_to_put(key: Secret) -> str:
    place, _, name = key.reference.partition(":")
    ways = {"env": f"export {name}=…", "file": f"write the key into {name}", "store": f"voicecore secrets set {name}"}
    return ways[place]


async def _exercise(stage: str, wanted: StageSettings, store: Store, *, online: bool) -> str:
    made: Any = await registry.make(stage, wanted.provider, wanted.options, source=f"pipeline.{stage}", store=store)
    try:
        if _behind_a_network(made):
            return await _ask(made) if online else "is set up; --online asks it"
        if stage == "vad" and isinstance(made, Vad):
            return f"starts; silence is {'speech?' if made.open(8000).feed(SILENCE) else 'silence'}"
        if stage == "stt" and isinstance(made, Stt):
            return await _recognize(made)
        if stage == "tts" and isinstance(made, Tts):
            return await _speak(made)
        return "starts"
    finally:
        await made.close()


def _behind_a_network(made: Any) -> bool:
    """Whoever can be connected to beforehand, or sends bills for a model."""
    return isinstance(made, Warmable | WarmableVoice) or isinstance(getattr(made, "model", None), str)


async def _ask(made: Any) -> str:
    """Raises StageError."""
    if isinstance(made, Warmable):
        await made.warm()
    elif isinstance(made, WarmableVoice):
        await made.warm_voice(Voice(), TELEPHONE)
    elif isinstance(made, Stt):
        await (await made.open(SttOptions())).close()
    return "answers"


async def _recognize(stt: Stt) -> str:
    session = await stt.open(SttOptions())
    try:
        session.begin()
        for _ in range(25):
            session.feed(SILENCE)
        await session.flush()
        session.end()
    finally:
        await session.close()
    return "listens"


async def _speak(tts: Tts) -> str:
    size = 0
    async for chunk in tts.synthesize(TEST_SENTENCE, Voice(), TELEPHONE):
        size += len(chunk.audio)
    return f"speaks: {TELEPHONE.duration_ms(size) / 1000:.1f} s of audio"
