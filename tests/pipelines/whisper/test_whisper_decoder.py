"""The real network, with weights that mean nothing: what goes in comes out in its own place, whatever goes along."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from whisper_models import RATE_HZ, Watched, quiet, tone

from benchmarks.whisper_weights import SMALLEST, SPEAKING
from pipelines.whisper.decoder import Heard, Utterance


@pytest.fixture(scope="module")
def decoder() -> Watched:
    return Watched(window_s=4, languages=("de", "en", "fr"))


def heard(decoder: Watched, *utterances: Utterance) -> list[Heard]:
    return decoder.run(utterances)


def said(seconds: float, hz: float, language: str = "en") -> Utterance:
    return Utterance(tone(seconds, hz), RATE_HZ, language)


def test_everybody_gets_the_text_of_his_own_audio(decoder: Watched) -> None:
    everybody = [said(1.0, 300), said(2.5, 900), said(1.7, 500, "de"), said(0.6, 1500, "fr")]
    together = heard(decoder, *everybody)
    alone = [heard(decoder, one)[0] for one in everybody]
    assert len({one.text for one in together}) == 4
    for with_others, by_himself in zip(together, alone, strict=True):
        # The longest of a batch says how many tokens are waited for.
        assert with_others.text.startswith(by_himself.text.rstrip("�"))
        assert with_others.language == by_himself.language


def test_prompts_of_different_lengths_are_taken_in_one_call(decoder: Watched) -> None:
    words = decoder.hotwords(["Müller", "Praxis"])
    plain = said(1.0, 700)
    helped = msgspec.structs.replace(plain, hotwords=words)
    later = msgspec.structs.replace(plain, before="bada bada bada bada bada bada bada bada bada bada bada")
    texts = [one.text for one in heard(decoder, later, plain, helped, plain)]
    assert texts[1] == texts[3]
    assert len(set(texts)) == 3
    assert texts == [heard(decoder, one)[0].text for one in (later, plain, helped, plain)]


def test_the_vocabulary_is_bounded_and_leaves_out_sentences(decoder: Watched) -> None:
    names = [f"Name{number}" for number in range(100)]
    assert 1 < len(decoder.hotwords(names)) <= decoder.options.hotword_tokens
    sentence = "I would like to make an appointment"
    assert decoder.hotwords([sentence, "Praxis"]) == decoder.hotwords(["Praxis", "Praxis", " "])
    assert decoder.hotwords([sentence]) == ()


def test_a_language_is_detected_among_those_that_are_wanted(decoder: Watched) -> None:
    told, detected = heard(decoder, said(1.0, 400, "fr"), said(1.0, 400, ""))
    assert (told.language, told.language_probability) == ("fr", 1.0)
    assert detected.language in ("de", "en", "fr")
    assert 0 < detected.language_probability < 1
    assert detected.text == heard(decoder, said(1.0, 400, detected.language))[0].text


def test_an_english_model_needs_no_language() -> None:
    english = Watched(msgspec.structs.replace(SMALLEST, multilingual=False), window_s=4)
    assert english.languages == ("en",)
    assert not english.is_multilingual
    (answer,) = heard(english, said(1.0, 400, ""))
    assert answer.language == "en"
    assert answer.text


def test_words_have_times_inside_the_audio() -> None:
    timed = Watched(SPEAKING, " I am the caller.", window_s=4)
    one = Utterance(tone(2.0), RATE_HZ, "en", word_times=True)
    with_times, without, other = heard(timed, one, said(1.0, 300), msgspec.structs.replace(one, language="de"))
    assert [word.text for word in with_times.words] == ["I", "am", "the", "caller."]
    assert [word.text for word in other.words] == ["I", "am", "the", "caller."]
    assert without.words == ()
    for word in with_times.words:
        assert 0 <= word.start_ms <= word.end_ms <= 2100
        assert word.confidence == pytest.approx(1.0, abs=0.1)
    assert with_times.avg_logprob == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(
    ("window_s", "seconds", "frames"), [(30, 2.0, 3000), (4, 2.0, 400), (4, 6.5, 800), (4, 30, 3000)]
)
def test_the_window_is_as_long_as_trained_or_as_asked_for(
    decoder: Watched, monkeypatch: pytest.MonkeyPatch, window_s: int, seconds: float, frames: int
) -> None:
    shapes: list[tuple[int, ...]] = []
    encode = decoder._model.encode
    monkeypatch.setattr(decoder._model, "encode", lambda given: shapes.append(given.shape) or encode(given))
    monkeypatch.setattr(decoder, "_options", msgspec.structs.replace(decoder.options, window_s=window_s))
    heard(decoder, said(seconds, 300), said(1.0, 300))
    assert shapes == [(2, 80, frames)]


def test_what_is_missing_of_a_window_looks_like_silence(decoder: Watched) -> None:
    """As if the audio had been padded with zeros before its features were taken, which would cost 20 ms each."""
    utterance = Utterance(tone(1.0, 500, 16000) + quiet(0.1, 16000), 16000, "en")
    (made,), filled = decoder._features([utterance])
    samples = np.frombuffer(utterance.pcm, np.int16).astype(np.float32) / 32768
    padded = np.concatenate([samples, np.zeros(16000 * 4 - len(samples), np.float32)])
    wanted = decoder._model.feature_extractor(padded)[:, :400]
    assert filled == [111]
    np.testing.assert_allclose(made, wanted, atol=1e-4)
