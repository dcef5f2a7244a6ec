"""What a call used, turn by turn: told by the provider, heard by the caller, or estimated and said to be."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from decimal import Decimal

import msgspec
import pytest
from screenplay import GREETING, Call
from scripted import Line, Recogniser, Speaker
from virtual_time import in_virtual_time, pass_ms

from config.prices import PriceTable
from config.schema import Price, TurnPolicy
from pipelines.audio import TELEPHONE, AudioFormat
from pipelines.errors import Remedy, StageError
from pipelines.failover import FailoverLlm, FailoverTts, Named, open_stt
from pipelines.meter import Meter
from pipelines.stages import (
    Llm,
    LlmEvent,
    LlmRequest,
    Message,
    Stt,
    SttOptions,
    SttSession,
    TextDelta,
    Transcript,
    Tts,
    TtsChunk,
    Usage,
    Voice,
)
from pipelines.stock import Stock
from pipelines.timing import Turn
from pipelines.usage import Used, added, cost_microusd

TABLE = "I would like to book a table"
MORE = "for two people tomorrow evening"
LONG = "We have a table by the window. It is quiet there and you can see the river. Shall I book it?"
TOLD = Usage(input_tokens=1000, output_tokens=20, cached_tokens=600)
PRICES = PriceTable(
    {
        "cloud/big": Price(
            usd_per_million_input_tokens=Decimal(2),
            usd_per_million_cached_tokens=Decimal("0.5"),
            usd_per_million_output_tokens=Decimal(10),
        ),
        "cloud/voice": Price(usd_per_million_characters=Decimal(50)),
        "cloud/ear": Price(usd_per_minute_heard=Decimal("0.006")),
        "local": Price(free=True),
    }
)
VOICE = Voice()
PATIENT = TurnPolicy(base_wait_ms=1000, min_wait_ms=1000, max_wait_ms=1000)


class BilledLlm:
    """A model that says at the end what it used."""

    model = "big"

    def __init__(self, inner: Llm) -> None:
        self._inner = inner

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        async with aclosing(self._inner.stream(request)) as events:
            async for event in events:
                yield event
        yield TOLD

    async def close(self) -> None: ...


class BilledTts:
    model = "voice"

    def __init__(self, inner: Speaker) -> None:
        self._inner = inner
        self.breaks_after: int | None = None  # words
        self.refuses = False
        self.asked: list[str] = []

    async def synthesize(self, text: str, voice: Voice, audio_format: AudioFormat) -> AsyncGenerator[TtsChunk, None]:
        self.asked.append(text)
        if self.refuses:
            raise StageError("no", stage="tts", provider="cloud", remedy=Remedy.SWITCH)
        words = 0
        async with aclosing(self._inner.synthesize(text, voice, audio_format)) as chunks:
            async for chunk in chunks:
                if words == self.breaks_after:
                    raise StageError("gone", stage="tts", provider="cloud", remedy=Remedy.SWITCH)
                words += 1
                yield chunk

    async def close(self) -> None: ...


class Ears:
    """Gives out sessions."""

    def __init__(self, session: Callable[[], SttSession], model: str | None = "ear") -> None:
        self._session = session
        if model is not None:
            self.model = model

    async def open(self, options: SttOptions) -> SttSession:
        return self._session()

    async def close(self) -> None: ...


class Play:
    """A call whose engines send bills."""

    def __init__(self, *lines: Line, turn: TurnPolicy | None = None, prices: PriceTable = PRICES) -> None:
        self.call = Call(lines, turn=turn)
        self.meter = Meter(prices)
        self.voice = BilledTts(self.call.speaker)
        self.ears: list[Named[Stt]] = [Named("cloud", Ears(lambda: self.call.recogniser))]
        self.voices: list[Named[Tts]] = [Named("cloud", self.voice)]

    async def begin(self) -> Call:
        call = self.call
        call.use(
            await open_stt(self.ears, SttOptions(), lambda news: call.conversation.switched(news), self.meter),
            FailoverLlm([Named[Llm]("cloud", BilledLlm(call.model))], call_switched(call), self.meter),
            FailoverTts(self.voices, call_switched(call), meter=self.meter),
            self.meter,
        )
        return call


def call_switched(call: Call):  # type: ignore[no-untyped-def]
    return lambda news: call.conversation.switched(news)


def characters(turns: Sequence[Turn], name: str = "cloud/voice") -> tuple[int, int]:
    total = added(turn.usage for turn in turns).get(name, Used())
    return total.spoken_characters, total.unheard_characters


# --- whole calls ----------------------------------------------------------------------------------


@in_virtual_time
async def test_an_ordinary_turn_costs_what_was_told_sent_and_heard() -> None:
    play = Play(Line("Fine."), turn=TurnPolicy(speculation=False))
    async with await play.begin() as call:
        await call.greeted()
        await call.speak(TABLE, 1200)
        turn = await call.turn_over()
    greeting = call.records.turns[0]
    assert greeting.usage == {
        "cloud/voice": Used(
            spoken_characters=len(GREETING), spoken_s=0.24 * len(GREETING.split()), cost_microusd=len(GREETING) * 50
        )
    }
    assert greeting.cost_microusd == len(GREETING) * 50
    assert turn.usage["cloud/big"] == Used(
        input_tokens=1000, cached_tokens=600, output_tokens=20, cost_microusd=400 * 2 + 300 + 200
    )
    assert turn.usage["cloud/voice"].spoken_characters == len("Fine.")
    heard_s = turn.usage["cloud/ear"].heard_s
    assert 1.2 < heard_s < 2.5  # what was said, a little before it, and the pause until the turn was over
    assert turn.usage["cloud/ear"].cost_microusd == round(heard_s * 100)
    assert turn.cost_microusd == sum(used.cost_microusd or 0 for used in turn.usage.values())
    assert play.meter.settle() == {}, "nothing is left, and nothing is counted twice"


@in_virtual_time
async def test_what_the_caller_talked_over_is_unheard_and_the_rest_of_the_answer_estimated() -> None:
    play = Play(Line(LONG, word_ms=150.0), Line("Fine."))
    async with await play.begin() as call:
        await call.greeted()
        answered = await call.speak(TABLE)
        await call.answered(answered)
        await call.wait(1000)
        await call.speak("no wait I want something else")
        await call.until(lambda: len(call.records.turns) > 1)
        cut = call.records.turns[1]
        await call.turn_over()
    assert cut.interrupted
    assert cut.heard_text
    spoken, unheard = characters([cut])
    assert spoken == len(cut.heard_text)
    assert spoken + unheard == sum(map(len, play.voice.asked[1:-1]))
    assert unheard > 0
    used = cut.usage["cloud/big"]
    assert used.estimated_tokens == used.input_tokens + used.output_tokens > 0
    assert used.wasted_tokens == 0, "what was written was spoken, as far as it came"
    assert characters(call.records.turns)[0] == sum(len(turn.heard_text) for turn in call.records.turns)
    last = call.records.turns[2]
    assert last.usage["cloud/ear"].heard_s > 1.0, "the interruption belongs to the turn that it began"
    assert cut.usage["cloud/ear"].heard_s < 3.0


@in_virtual_time
async def test_an_answer_begun_too_early_is_wasted() -> None:
    play = Play(Line("Too early. Far too early.", first_token_ms=100.0), Line("Fine."), turn=PATIENT)
    async with await play.begin() as call:
        await call.greeted()
        await call.speak(TABLE)
        await call.until(lambda: len(play.voice.asked) > 1 and not call.speaker.open)
        await call.speak(MORE)
        turn = await call.turn_over()
    assert turn.caller_text == f"{TABLE} {MORE}"
    assert turn.speculation.misses == 1
    used = turn.usage["cloud/big"]
    assert (used.input_tokens, used.output_tokens) == (2000, 40)
    assert (used.wasted_tokens, used.estimated_tokens) == (1020, 0)
    assert characters([turn]) == (len("Fine."), sum(map(len, play.voice.asked[1:-1])))


@in_virtual_time
async def test_a_rehearing_by_another_recogniser_is_sent_to_both() -> None:
    play = Play(Line("Fine."), turn=TurnPolicy(speculation=False))

    def ear(*, failing: bool = False) -> Recogniser:
        made = Recogniser(play.call.book)
        made.lengths, made.failing = play.call.recogniser.lengths, failing
        return made

    play.ears = [Named("cloud", Ears(lambda: ear(failing=True))), Named("local", Ears(ear, model=None))]
    async with await play.begin() as call:
        await call.greeted()
        await call.speak(TABLE)
        turn = await call.turn_over()
        assert turn.caller_text == TABLE
        call.recogniser.closed = True  # nobody used it
    first, second = turn.usage["cloud/ear"], turn.usage["local"]
    assert 1.2 < second.heard_s < first.heard_s, "the first one was asked once more before the other"
    assert second.cost_microusd == 0
    assert first.cost_microusd


@in_virtual_time
async def test_a_call_that_ends_in_the_middle_of_everything_has_counted_it() -> None:
    play = Play(Line(LONG))
    async with await play.begin() as call:
        await call.greeted()
        answered = await call.speak(TABLE)
        await call.answered(answered)
        await call.wait(500)
    last = call.records.turns[-1]
    assert last.interrupted
    assert sum(characters([last])) == sum(map(len, play.voice.asked[1:]))
    assert last.usage["cloud/big"].input_tokens
    assert play.meter.settle() == {}


# --- the parts ------------------------------------------------------------------------------------


class Writer:
    def __init__(self, text: str, model: str, after_ms: float = 10.0, fails: bool = False) -> None:
        self.text, self.model, self.after_ms, self.fails = text, model, after_ms, fails

    async def stream(self, request: LlmRequest) -> AsyncGenerator[LlmEvent, None]:
        await pass_ms(self.after_ms)
        if self.fails:
            raise StageError("429", stage="llm", provider="p", remedy=Remedy.SWITCH)
        yield TextDelta(self.text)
        yield Usage(input_tokens=10, output_tokens=5)

    async def close(self) -> None: ...


async def written(*engines: Named[Llm]) -> dict[str, Used]:
    meter = Meter(PRICES)
    request = LlmRequest([Message("user", "x" * 400)], [])
    async with aclosing(FailoverLlm(engines, lambda news: None, meter).stream(request)) as events:
        async for _ in events:
            pass
    return meter.settle()


@in_virtual_time
async def test_the_loser_of_a_race_is_wasted_and_its_tokens_are_estimated() -> None:
    slow = Named[Llm]("p", Writer("late", "slow", 3000.0), hedge_s=0.2)
    usage = await written(slow, Named("p", Writer("now", "quick")))
    assert usage["p/slow"] == Used(input_tokens=100, wasted_tokens=100, estimated_tokens=100, cost_microusd=None)
    assert usage["p/quick"] == Used(input_tokens=10, output_tokens=5, cost_microusd=None)


@in_virtual_time
async def test_nobody_is_paid_for_a_refusal() -> None:
    usage = await written(Named("p", Writer("", "full", fails=True)), Named("p", Writer("now", "quick")))
    assert set(usage) == {"p/quick"}


async def spoken(voices: Sequence[Named[Tts]], meter: Meter, stock: Stock, text: str, times: int = 1) -> None:
    tts = FailoverTts(voices, lambda news: None, stock, meter=meter)
    for _ in range(times):
        async with aclosing(tts.synthesize(text, VOICE, TELEPHONE)) as chunks:
            async for _ in chunks:
                pass


def two_voices() -> tuple[BilledTts, BilledTts, list[Named[Tts]]]:
    book = Call().book
    first, second = BilledTts(Speaker(book)), BilledTts(Speaker(book))
    return first, second, [Named("cloud", first), Named("local", second)]


@in_virtual_time
async def test_a_voice_that_breaks_off_is_heard_as_far_as_it_came() -> None:
    first, second, voices = two_voices()
    first.breaks_after = 4
    meter, text = Meter(PRICES), "We have a table by the window."
    await spoken(voices, meter, Stock(()), text)
    (rest,) = second.asked
    usage = meter.settle([(text, len(text))])
    assert usage["cloud/voice"].spoken_characters + usage["local/voice"].spoken_characters == len(text)
    assert usage["local/voice"].spoken_characters == len(rest)
    assert usage["cloud/voice"].unheard_characters == len(rest), "it was sent all of it"


@in_virtual_time
async def test_what_is_in_stock_costs_nothing_the_second_time_and_a_refusal_never() -> None:
    first, second, voices = two_voices()
    first.refuses = True
    meter, text = Meter(PRICES), "One moment, please."
    await spoken(voices[::-1], meter, Stock({text}), text, times=3)
    assert second.asked == [text]
    assert characters([Turn(0, 0.0, usage=meter.settle([(text, len(text))]))], "local/voice") == (len(text), 0)
    await spoken(voices, meter, Stock(()), text)
    assert first.asked == [text]
    assert set(meter.settle()) == {"local/voice"}


class Uploads:
    """A session that sends the whole utterance with every flush."""

    partial = ""

    def __init__(self) -> None:
        self._fed_s = self.sent_s = 0.0

    def begin(self, expect: object = None) -> None:
        self._fed_s = 0.0

    def feed(self, pcm: bytes) -> None:
        self._fed_s += len(pcm) / 16000

    async def flush(self) -> Transcript:
        self.sent_s += self._fed_s
        return Transcript("text")

    def end(self) -> None: ...

    async def close(self) -> None: ...


async def test_who_sends_everything_again_is_paid_for_that() -> None:
    meter = Meter(PRICES)
    session = await open_stt([Named("cloud", Ears(Uploads))], SttOptions(), lambda news: None, meter)
    session.begin()
    for _ in range(2):
        session.feed(bytes(16000))
        await session.flush()
    meter.committed()
    session.begin()
    session.feed(bytes(16000))
    assert meter.settle(listening=True)["cloud/ear"].heard_s == 3.0
    assert meter.settle() == {}, "fed, but not sent"
    await session.close()


@in_virtual_time
async def test_without_a_price_there_is_no_cost_and_it_is_not_zero() -> None:
    meter = Meter(PriceTable({}))
    request = LlmRequest([Message("user", "four")], [])
    async with aclosing(FailoverLlm([Named("p", Writer("a", ""))], lambda news: None, meter).stream(request)) as events:
        async for _ in events:
            pass
    usage = meter.settle()
    assert usage["p"].cost_microusd is None
    assert cost_microusd(usage) is None
    assert cost_microusd({**usage, "q": Used(cost_microusd=5)}) is None
    assert cost_microusd({}) == 0


def test_amounts_are_written_down_and_read_back() -> None:
    usage = {"cloud/big": Used(input_tokens=3, heard_s=1.5, cost_microusd=None)}
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(usage)), dict[str, Used]) == usage


@pytest.mark.parametrize("model", [object(), "", 7])
async def test_something_else_called_model_is_no_model(model: object) -> None:
    meter = Meter()
    ears = Ears(Uploads)
    ears.model = model  # type: ignore[assignment]
    session = await open_stt([Named("local", ears)], SttOptions(), lambda news: None, meter)
    session.begin()
    session.feed(bytes(160))
    await session.flush()
    assert set(meter.settle()) == {"local"}
    await session.close()
