"""Audio of several calls in, texts out: one run of the network, whatever their lengths, languages and vocabularies.

It runs in the one thread that owns the model. It believes what the network writes; see `guards`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import soxr

from pipelines.stages import Word
from pipelines.whisper.options import FasterWhisperOptions

RATE_HZ = 16000
FRAMES_PER_S = 100
LONGEST_S = 30  # Whisper's window
SPARE_S = 1  # of silence behind the speech in a window that is shorter: without it the text repeats itself
POSITIONS = 448  # of the decoder
TOKENS_PER_S = 10  # twice what fast speech has, digits and names included
SPARE_TOKENS = 12
MOST_TOKENS = POSITIONS // 2
CONTEXT_STEP = 8  # prompts of equal length share a run: the text before is cut to a multiple of so many tokens
MOST_CONTEXT = 64
LONGEST_PROMPT = 150  # tokens: with a context there is room for an answer as long as 30 s can have
HOTWORD_WORDS = 4  # names and products; longer phrases are sentences that callers say, and no help to Whisper

LEADING, TRAILING = (
    "\"'“¿([{-",
    "\"'.。,，!！?？:：”)]}、",
)  # punctuation that belongs to the next word, to the one before

Floats = npt.NDArray[np.float32]


class Utterance(msgspec.Struct, frozen=True):
    """At most 30 s of signed 16-bit audio and what is known about it. `language` "" is to be detected."""

    pcm: bytes
    rate_hz: int
    language: str = ""
    hotwords: tuple[int, ...] = ()
    before: str = ""  # what was said just before
    word_times: bool = False

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.rate_hz


class Heard(msgspec.Struct, frozen=True):
    """What the network wrote. `language_probability` is 1 where it was told."""

    text: str
    language: str
    language_probability: float
    avg_logprob: float
    no_speech: float
    words: tuple[Word, ...] = ()


class Decoder:
    """Around a `faster_whisper.WhisperModel`, whose tokenizer, features and alignment it uses."""

    def __init__(self, model: Any, options: FasterWhisperOptions) -> None:
        self._model = model
        self._options = options
        self._tokenizers = importlib.import_module("faster_whisper.tokenizer")
        self._tokenizer = cache(self._new_tokenizer)  # of a language
        self.languages: tuple[str, ...] = tuple(model.supported_languages)
        self._transcribing = importlib.import_module("faster_whisper.transcribe")
        self._suppressed = list(self._transcribing.get_suppressed_tokens(self._tokenizer("en"), [-1]))
        self.is_multilingual: bool = model.model.is_multilingual
        self.device: str = model.model.device

    def hotwords(self, phrases: Sequence[str]) -> tuple[int, ...]:
        """Tokens of as many short phrases as there is room for, in their order."""
        chosen: list[str] = []
        tokens: list[int] = []
        for phrase in dict.fromkeys(" ".join(phrase.split()) for phrase in phrases):
            if not phrase or len(phrase.split()) > HOTWORD_WORDS:
                continue
            longer = self._tokenizer("en").encode(" " + ", ".join([*chosen, phrase]))
            if len(longer) > self._options.hotword_tokens:
                break
            chosen.append(phrase)
            tokens = longer
        return tuple(tokens)

    def prompt(self, text: str) -> tuple[int, ...]:
        """Tokens of a prompt in words of one's own: the last ones, as many as a vocabulary may have at most."""
        tokens = self._tokenizer("en").encode(" " + text.strip()) if text.strip() else []
        return tuple(tokens[-LONGEST_PROMPT:])

    def run(self, utterances: Sequence[Utterance]) -> list[Heard]:
        """In their order. Raises what CTranslate2 does: RuntimeError (memory, a GPU that fails), ValueError."""
        answers: dict[int, Heard] = {}
        prompts = [self._prompt(utterance) for utterance in utterances]
        order = sorted(range(len(utterances)), key=lambda index: len(prompts[index]))
        for _, group in groupby(order, key=lambda index: len(prompts[index])):
            chosen = list(group)
            heard = self._run([utterances[one] for one in chosen], [prompts[one] for one in chosen])
            answers.update(zip(chosen, heard, strict=True))
        return [answers[index] for index in range(len(utterances))]

    def _run(self, utterances: list[Utterance], prompts: list[list[int]]) -> list[Heard]:
        """All prompts are of one length: CTranslate2 wants the start of the transcript in one place."""
        features, frames = self._features(utterances)
        encoded = self._model.encode(features)
        languages = self._languages(utterances, prompts, encoded)
        longest = max(utterance.seconds for utterance in utterances)
        tokens = min(int(SPARE_TOKENS + TOKENS_PER_S * longest), MOST_TOKENS, POSITIONS - len(prompts[0]))
        results = self._model.model.generate(
            encoded,
            prompts,
            beam_size=self._options.beam_size,
            max_length=max(2 * tokens, tokens + len(prompts[0])),  # it generates half of it at most
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed,
        )
        written = [result.sequences_ids[0] for result in results]
        words = self._words(utterances, written, [language for language, _ in languages], encoded, frames)
        return [
            Heard(
                self._tokenizer(language).decode(tokens).strip(),
                language,
                probability,
                result.scores[0] * len(tokens) / (len(tokens) + 1),  # scores are means without the end's token
                result.no_speech_prob,
                timed,
            )
            for result, tokens, (language, probability), timed in zip(results, written, languages, words, strict=True)
        ]

    def _prompt(self, utterance: Utterance) -> list[int]:
        """Vocabulary and the text before, then the task. An undetected language is English until it is known."""
        tokenizer = self._tokenizer(utterance.language or "en")
        before = tokenizer.encode(" " + utterance.before) if utterance.before else []
        kept = min(len(before), MOST_CONTEXT) // CONTEXT_STEP * CONTEXT_STEP
        context = [*utterance.hotwords, *before[len(before) - kept :]]
        prompt: list[int] = [tokenizer.sot_prev, *context] if context else []
        return [*prompt, *tokenizer.sot_sequence, tokenizer.no_timestamps]

    def _languages(
        self, utterances: list[Utterance], prompts: list[list[int]], encoded: Any
    ) -> list[tuple[str, float]]:
        """Each one's language and how sure it is; prompts without one get theirs."""
        told = [(utterance.language or "en", 1.0) for utterance in utterances]
        if not self.is_multilingual or all(utterance.language for utterance in utterances):
            return told
        detected = self._model.model.detect_language(encoded)
        for index, utterance in enumerate(utterances):
            if utterance.language:
                continue
            known = [(name[2:-2], probability) for name, probability in detected[index]]  # "<|en|>", best first
            wanted = [one for one in known if not self._options.languages or one[0] in self._options.languages]
            told[index] = (wanted or known)[0]
            sot = prompts[index].index(self._tokenizer("en").sot)
            prompts[index][sot + 1] = self._tokenizer(told[index][0]).language
        return told

    def _features(self, utterances: list[Utterance]) -> tuple[Floats, list[int]]:
        """Log-mel features, (batch, bands, frames of 10 ms), and how many of the frames each utterance fills."""
        each = [self._log_mel(utterance) for utterance in utterances]
        filled = [features.shape[1] for features in each]
        seconds = max(self._options.window_s, -(-max(filled) // FRAMES_PER_S) + SPARE_S)
        width = min(seconds, LONGEST_S) * FRAMES_PER_S
        batch = np.empty((len(each), each[0].shape[0], width), np.float32)
        for index, features in enumerate(each):
            taken = features[:, :width]
            batch[index, :, : taken.shape[1]] = taken
            # As if silence had been recorded: Whisper's features are clamped 8 powers of ten below the loudest.
            batch[index, :, taken.shape[1] :] = max(float(features.max()) - 2.0, -1.5)
        return batch, [min(frames, width) for frames in filled]

    def _log_mel(self, utterance: Utterance) -> Floats:
        samples = np.frombuffer(utterance.pcm, np.int16).astype(np.float32) / 32768
        if utterance.rate_hz != RATE_HZ:
            samples = soxr.resample(samples, utterance.rate_hz, RATE_HZ)
        features: Floats = self._model.feature_extractor(samples)
        return features

    def _words(
        self,
        utterances: list[Utterance],
        written: list[list[int]],
        languages: list[str],
        encoded: Any,
        frames: list[int],
    ) -> list[tuple[Word, ...]]:
        """Times of words, where they are wanted. The decoder is run once for every language among them."""
        words: list[tuple[Word, ...]] = [()] * len(utterances)
        wanted = [index for index, utterance in enumerate(utterances) if utterance.word_times and written[index]]
        for language in {languages[index] for index in wanted}:
            tokenizer = self._tokenizer(language)
            found = self._model.find_alignment(tokenizer, written, encoded, frames)
            for index in wanted:
                if languages[index] == language:
                    self._transcribing.merge_punctuations(found[index], LEADING, TRAILING)
                    words[index] = tuple(_word(one) for one in found[index] if one["word"].strip())
        return words

    def _new_tokenizer(self, language: str) -> Any:
        multilingual = self._model.model.is_multilingual
        return self._tokenizers.Tokenizer(self._model.hf_tokenizer, multilingual, task="transcribe", language=language)


def _word(found: dict[str, Any]) -> Word:
    times = float(found["start"]) * 1000, float(found["end"]) * 1000
    return Word(found["word"].strip(), *times, confidence=float(found["probability"]))
