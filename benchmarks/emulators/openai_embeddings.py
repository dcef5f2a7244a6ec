"""Vectors made of words: each word has a direction of its own, and words of one meaning share theirs, so that texts are
near which say the same in other words. The same text always has the same vector.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

from benchmarks.emulators.openai_rules import error

KNOWN = {"model", "input", "dimensions", "encoding_format", "user"}
DIMENSIONS = 1536
MOST_TEXTS = 2048
SYNONYMS = (
    ("parking", "park", "car", "vehicle", "garage", "automobile"),
    ("pay", "payment", "price", "cost", "fee", "money", "expensive"),
    ("dog", "puppy", "pet", "animal", "hound"),
    ("doctor", "physician", "dentist", "medic"),
    ("internet", "wifi", "wireless", "network", "online"),
)
EMPTY = re.compile(r"an?|the|is|are|i|my|your?|we|do|can|to|of|in|at|for|where|when|how|what|there")
_MEANINGS = {word: group[0] for group in SYNONYMS for word in group}


def embedding_mistake(body: Mapping[str, Any], refuses: set[str]) -> web.Response | None:
    """`refuses`: also words that no text may have."""
    for name in body:
        if name not in KNOWN:
            return error(400, f"Unrecognized request argument supplied: {name}", code="unknown_parameter")
    if not isinstance(body.get("model"), str) or not body["model"]:
        return error(400, "you must provide a model parameter")
    texts = body.get("input")
    if not isinstance(texts, list) or not 0 < len(texts) <= MOST_TEXTS:
        return error(400, "'$.input' is invalid", param="input")
    if any(not isinstance(text, str) or not text for text in texts):
        return error(400, "'$.input' is invalid", param="input")
    if any(word in text for word in refuses for text in texts):
        return error(400, "This model's maximum context length is 8192 tokens", param="input")
    return None


def answer_of(body: Mapping[str, Any], texts: Sequence[str] | None) -> dict[str, Any]:
    """In an order that nobody may rely on; `index` says which is which. `texts` None: what is no answer."""
    if texts is None:
        return {"object": "list", "data": [{"index": 0, "embedding": "not a vector"}]}
    width = body.get("dimensions") or DIMENSIONS
    data = [
        {"object": "embedding", "index": index, "embedding": vector_of(text, width).tolist()}
        for index, text in enumerate(texts)
    ]
    tokens = sum(len(text) // 4 + 1 for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data[::-1], "model": body["model"], "usage": usage}


def vector_of(text: str, width: int = DIMENSIONS) -> NDArray[np.float64]:
    """Of length 1."""
    words = [word for word in re.findall(r"\w+", text.lower()) if not EMPTY.fullmatch(word)]
    total = sum((_direction(_meaning(word), width) for word in words or ["nothing"]), np.zeros(width))
    return np.asarray(total / np.linalg.norm(total))


def _meaning(word: str) -> str:
    return _MEANINGS.get(word) or _MEANINGS.get(word.removesuffix("s")) or word.removesuffix("s")


def _direction(meaning: str, width: int) -> NDArray[np.float64]:
    seed = int.from_bytes(sha256(meaning.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(width) / np.sqrt(width)
