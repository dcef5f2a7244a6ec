"""Writes Whisper model directories in CTranslate2's form without torch: real architecture and vocabulary, no training.

Random weights give random text, the same for the same audio: enough to measure speed and to prove what happens around
the model. `says` makes a model that answers every audio with one sentence. It knows no engine.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from ctranslate2.specs import WhisperSpec, model_spec
from faster_whisper.tokenizer import _LANGUAGE_CODES
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

TEXT_TOKENS = 50256  # of GPT-2's vocabulary, which Whisper's begins with
LANGUAGES = 99  # of the models before large-v3, whose list has one more
TIMESTAMPS = 1501  # 0.00 s to 30.00 s
POSITIONS = 448  # tokens that the decoder can have before it, the prompt included
FRAMES = 1500  # of the encoder, of 20 ms


class Size(msgspec.Struct, frozen=True):
    """Dimensions of a network. The first ones are those of OpenAI's `tiny` (39 million parameters)."""

    width: int = 384
    heads: int = 6
    layers: int = 4
    bands: int = 80
    multilingual: bool = True
    spread: float = 0.05  # standard deviation of the random weights


SPEAKING = Size(width=64, heads=2, layers=1)  # enough for `says`
SMALLEST = Size(width=16, heads=2, layers=1, spread=0.6)
TINY = Size()


def write_model(directory: Path, size: Size = SMALLEST, *, says: str = "", seed: int = 1) -> Path:
    """Makes `directory` with model.bin, config.json, tokenizer.json, vocabulary.json, preprocessor_config.json."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(size.multilingual, says)
    end = tokenizer.token_to_id("<|endoftext|>")
    vocabulary = [tokenizer.id_to_token(one) for one in range(tokenizer.get_vocab_size())]
    spec = WhisperSpec(size.layers, size.heads, size.layers, size.heads)
    _fill(spec, size, len(vocabulary), np.random.default_rng(seed))
    if says:
        _say(spec, [*map(tokenizer.token_to_id, _pieces(says)), end], size)
    spec.register_vocabulary(vocabulary)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [220, end]
    spec.config.lang_ids = [one for one, token in enumerate(vocabulary) if token[2:-2] in _LANGUAGE_CODES]
    spec.config.alignment_heads = [list(pair) for pair in itertools.product(range(size.layers), range(size.heads))]
    spec.validate()
    spec.save(str(directory))
    tokenizer.save(str(directory / "tokenizer.json"))
    extraction = {"feature_size": size.bands, "sampling_rate": 16000, "hop_length": 160, "chunk_length": 30}
    (directory / "preprocessor_config.json").write_text(json.dumps(extraction), encoding="utf-8")
    return directory


def _tokenizer(multilingual: bool, says: str) -> Tokenizer:
    """Bytes, the words of `says`, made-up words in place of GPT-2's, then Whisper's special tokens in their places."""
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    words = ("".join(parts) for length in (2, 3) for parts in itertools.product(syllables, repeat=length))
    characters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made_up = (f"Ġ{word}" for word in itertools.islice(words, TEXT_TOKENS))
    names = list(dict.fromkeys([*characters, *_pieces(says), *made_up]))[:TEXT_TOKENS]
    if multilingual:
        names.append("")  # by which CTranslate2 knows a model of many languages
    tokenizer = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["endoftext", "startoftranscript", *_LANGUAGE_CODES[:LANGUAGES], "translate", "transcribe"]
    special += ["startoflm", "startofprev", "nospeech", "notimestamps"]
    times = [f"{number * 0.02:.2f}" for number in range(TIMESTAMPS)]
    tokenizer.add_tokens([AddedToken(f"<|{name}|>", special=True) for name in [*special, *times]])
    return tokenizer


def _pieces(text: str) -> list[str]:
    """Words with the space before them, as the vocabulary writes them."""
    return [piece for piece, _ in pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)]


def _fill(spec: Any, size: Size, vocabulary: int, random: np.random.Generator) -> None:
    width, bands = size.width, size.bands

    def weight(*shape: int) -> npt.NDArray[np.float32]:
        return (random.standard_normal(shape, np.float32) * size.spread).astype(np.float32)

    def linear(layer: Any, rows: int, columns: int) -> None:
        layer.weight, layer.bias = weight(rows, columns), np.zeros(rows, np.float32)

    def block(layer: Any, *, decodes: bool) -> None:
        linear(layer.self_attention.linear[0], 3 * width, width)
        linear(layer.self_attention.linear[1], width, width)
        if decodes:
            for part, rows in enumerate((width, 2 * width, width)):
                linear(layer.attention.linear[part], rows, width)
        linear(layer.ffn.linear_0, 4 * width, width)
        linear(layer.ffn.linear_1, width, 4 * width)

    for convolution, channels in ((spec.encoder.conv1, bands), (spec.encoder.conv2, width)):
        convolution.weight, convolution.bias = weight(width, channels, 3), np.zeros(width, np.float32)
    spec.encoder.position_encodings.encodings = weight(FRAMES, width)
    spec.decoder.position_encodings.encodings = weight(POSITIONS, width)
    spec.decoder.embeddings.weight = weight(vocabulary, width)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    for layer in spec.encoder.layer:
        block(layer, decodes=False)
    for layer in spec.decoder.layer:
        block(layer, decodes=True)
    model_spec.visit_spec(spec, lambda owner, name, value: _norm(owner, name, value, width))


def _norm(owner: Any, name: str, value: Any, width: int) -> None:
    field = name.rpartition("/")[2]
    if value is None and field in ("gamma", "beta"):
        setattr(owner, field, np.full(width, float(field == "gamma"), np.float32))


def _say(spec: Any, tokens: list[int], size: Size) -> None:
    """The decoder looks at nothing but the position: behind a prompt of four tokens comes the first of `tokens`, and
    of a few words also behind one that has a text before it, of some eights of tokens."""
    silent = [spec.decoder.layer[n].self_attention.linear[1] for n in range(size.layers)]
    silent += [spec.decoder.layer[n].attention.linear[2] for n in range(size.layers)]
    silent += [spec.decoder.layer[n].ffn.linear_1 for n in range(size.layers)]
    for layer in silent:
        layer.weight = np.zeros_like(layer.weight)
    spec.decoder.embeddings.weight = np.zeros_like(spec.decoder.embeddings.weight)
    # Orthogonal to each other and to what layer normalisation takes away: the mean.
    square = np.column_stack([np.ones(size.width), np.random.default_rng(0).standard_normal((size.width,) * 2)[:, 1:]])
    places = np.resize(np.linalg.qr(square)[0].T[1:] * size.width**0.5, (POSITIONS, size.width)).astype(np.float32)
    projection = np.zeros_like(spec.decoder.projection.weight)
    shifts = (0, *range(9, 50, 8)) if len(tokens) < 8 else (0,)
    for shift, (place, token) in itertools.product(shifts, enumerate(tokens, start=3)):
        projection[token] += places[place + shift]
    spec.decoder.position_encodings.encodings = places
    spec.decoder.projection.weight = projection
