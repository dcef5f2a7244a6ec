"""Words of a spoken question, reduced to what carries meaning: English and German stop words, light stems."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")

# "Appointment" is what every second caller of a receptionist says: it tells nothing apart.
_STOPS = """
appointment appointments termin termine exactly
come coming name names welcome heiße heisse
a about actually all also am an and any anybody anyone are as ask at be because been before being but by can
could did do does doing done else even ever excuse find for from get give go going got had has have having
he hello help her hey hi him his how i i'd i'll i'm i've if in information into is it it's its just kind
know let like look looking may maybe me might morning much must my need no not now of off ok okay on once
one or our out over per please possible question quick really right say see shall she should so some
somebody someone something somewhere sort still sure take talk tell than thank thanks that that's the their
them then there there's these they thing things this those to too try trying uh uhm um up us use very want
wanted wants was we we'd well were what what's whats when when's where where's whether which who who's whom
why will wish with wonder wondering would yeah yes you you're your yours aber alle als am an auch auf aus
bei bin bis bitte brauche da dann darf das dass dein dem den denn der des dich die dies diese diesen dieser
dir doch du ein eine einem einen einer eines er es etwas euch euer eure fragen für gern gerne gibt guten hab
habe haben haben's hallo hat hätte ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ist ja jetzt kann
kannst können könnte könnten man mein meine meinen mich mir mit möchte muss nach nicht noch nun ob oder
schon sein seine sich sie sind so über um und uns unser unsere vom von vor wann war warum was weil welche
welchen welcher wenn wer werden wie wieder will wir wird wissen wo wollen wollte würde zu zum zur
"""
STOP_WORDS = frozenset(_STOPS.split())
# Questions whose telling words are all stop words; both sides of a comparison are rewritten alike.
_PHRASES = {
    "how much": "price",
    "how long": "duration",
    "wie viel": "preis",
    "wieviel": "preis",
    "wie lange": "dauer",
}
_PHRASE = re.compile(r"\b(" + "|".join(_PHRASES) + r")\b")
_SUFFIXES = ("ingly", "ments", "ings", "ment", "ness", "ions", "ing", "ion", "ies", "ers", "ern", "est")
_SHORT_SUFFIXES = ("ed", "er", "es", "en", "em", "ly", "s", "e", "y")


def fold(text: str) -> str:
    """Lower case without accents: "Öffnungszeiten" → "offnungszeiten"."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


_FOLDED_STOPS = frozenset(fold(word) for word in STOP_WORDS)


def stem(word: str) -> str:
    """Cut one inflection, so that "opening", "opens" and "opened" meet. Never below four letters."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            word = word[: -len(suffix)]
            break
    else:
        for suffix in _SHORT_SUFFIXES:
            if word.endswith(suffix) and not word.endswith("ss") and len(word) - len(suffix) >= 3:
                word = word[: -len(suffix)]
                break
    if len(word) > 4 and word[-1] == word[-2]:
        word = word[:-1]
    return word


def tokens(text: str) -> list[str]:
    """Folded words in order, apostrophes gone."""
    return [word.replace("'", "") for word in _WORD.findall(fold(text.replace("’", "'")))]


def content_words(text: str) -> list[str]:
    """Stems of the words that mean something, without repetition, in order."""
    asked = _PHRASE.sub(lambda match: _PHRASES[match[1]], fold(text.replace("’", "'")))
    kept = (word for word in _WORD.findall(asked) if word not in _FOLDED_STOPS)
    return list(dict.fromkeys(stem(word.replace("'", "")) for word in kept))
