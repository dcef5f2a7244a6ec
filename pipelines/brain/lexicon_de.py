"""German words and their purpose; folded ("für" reads "fuer")."""

from __future__ import annotations

from pipelines.brain.lexicon import Intent, Lexicon
from pipelines.brain.tokens import word_list

_CUES: dict[Intent, dict[str, float]] = {
    Intent.BOOK: {
        "termin": 0.6, "termine": 0.5, "buchen": 0.8, "vereinbaren": 0.7, "ausmachen": 0.7, "moechte": 0.4,
        "brauche": 0.4, "haette": 0.4, "gern": 0.1, "gerne": 0.1, "reservieren": 0.8, "vorbeikommen": 0.7,
        "bekommen": 0.3, "will": 0.3, "machen": 0.3, "einen termin": 0.2, "anmelden": 0.5,
        "frei": 0.5, "etwas frei": 0.3, "haben sie": 0.1,
    },
    Intent.MOVE: {
        "verschieben": 1.0, "verlegen": 1.0, "umbuchen": 1.0, "aendern": 0.7, "termin": 0.3, "anderen tag": 0.4,
        "andere zeit": 0.4, "verschiebe": 1.0,
    },
    Intent.CANCEL: {
        "absagen": 1.0, "stornieren": 1.0, "loeschen": 0.8, "termin": 0.2, "nicht kommen": 0.9, "absage": 0.8,
        "streichen": 0.6,
    },
    Intent.LOOKUP: {
        "wann ist mein": 0.9, "habe ich": 0.5, "mein termin": 0.3, "termin": 0.3, "meinen termin": 0.2,
        "wann habe ich": 0.5,
    },
    Intent.HOURS: {
        "geoeffnet": 1.0, "oeffnungszeiten": 1.0, "offen": 0.9, "auf": 0.3, "oeffnen": 0.9, "schliessen": 0.8,
        "geschlossen": 0.8, "wann haben sie": 0.7, "haben sie": 0.2, "sprechzeiten": 1.0, "macht ihr": 0.3, "zu": 0.1,
        "sprechstunde": 0.9, "oeffnet": 0.9, "schliesst": 0.9,
    },
    Intent.SERVICES: {
        "leistungen": 1.0, "leistung": 0.7, "behandlungen": 0.9, "bieten": 0.7, "angebot": 0.7, "anbieten": 0.7,
    },
    Intent.ORDER: {"bestellen": 1.0, "bestellung": 0.8, "moechte": 0.1, "liefern": 0.5},
    Intent.HUMAN: {
        "mensch": 1.0, "menschen": 1.0, "mitarbeiter": 1.0, "mitarbeiterin": 1.0, "jemand": 0.5, "jemandem": 0.7,
        "sprechen": 0.4, "rueckruf": 1.0, "zurueckrufen": 1.0, "rufen": 0.4, "verbinden": 1.0, "kollegen": 0.7,
        "kollegin": 0.7, "persoenlich": 0.6,
    },
    Intent.GOODBYE: {
        "wiederhoeren": 1.0, "wiedersehen": 1.0, "tschuess": 1.0, "tschues": 1.0, "tschau": 1.0, "ciao": 1.0,
        "das war alles": 1.0, "das war's": 1.0, "das wars": 1.0, "nichts mehr": 0.9, "schoenen tag": 0.9,
        "nein danke": 0.8, "das ist alles": 1.0, "auf wieder": 0.8,
    },
    Intent.THANKS: {"danke": 1.0, "dankeschoen": 1.0, "vielen dank": 1.0, "dank": 0.9},
    Intent.REPEAT: {"wiederholen": 1.0, "wie bitte": 1.0, "noch mal": 0.8, "nochmal": 0.8, "nicht verstanden": 0.9,
                    "was haben sie gesagt": 1.0},
    Intent.ABORT: {
        "vergessen sie": 1.0, "vergiss": 1.0, "abbrechen": 1.0, "doch nicht": 0.9, "lassen sie": 0.8, "stopp": 0.9,
        "nicht buchen": 1.0, "egal": 0.5, "lieber nicht": 1.0,
    },
    Intent.WAIT: {"moment": 1.0, "augenblick": 1.0, "sekunde": 1.0, "moment bitte": 0.5},
    Intent.GREETING: {"hallo": 1.0, "guten tag": 1.0, "guten morgen": 1.0, "guten abend": 1.0, "gruess gott": 1.0,
                      "moin": 1.0, "servus": 1.0},
}  # fmt: skip

_POLITE = frozenset(
    word_list("""
    bitte danke das ist es stimmt so ich mir mich haette gern gerne ein eine einen der die den dem fuer um am
    im in und dann machen wir sie passt buchen sehr vielen dank wunderbar mir""")
)
_NOT_NAMES = frozenset(
    word_list("""
    ein eine einen der die das den dem des und oder aber wenn dann dass dies hier da es ist bin sind war waren
    ich du sie er wir ihr mein meine meinen ihre wer was wann wo wie warum welche welcher ja jawohl nein nicht
    doch okay gut richtig falsch bitte danke hallo guten tag morgen abend tschuess zu zum zur fuer von vom auf am
    im in an bei mit nach vor um bis ueber unter als kann koennte moechte will wollen soll haben habe haette hat
    brauche termin termine buchen absagen verschieben vereinbaren machen kommen heute uebermorgen montag dienstag
    mittwoch donnerstag freitag samstag sonntag woche uhr halb viertel name namen gern gerne noch mal eigentlich
    vielleicht auch nur sehr jetzt spaeter frueher stattdessen lieber anderen andere kontrolle zahnreinigung heisse
    januar februar maerz april mai juni juli august september oktober november dezember naechsten naechste""")
)

GERMAN = Lexicon(
    cues=_CUES,
    yes=frozenset(word_list("ja jawohl jo jep genau unbedingt absolut klar jaja jap")),
    no=frozenset(word_list("nein nee ne nicht falsch niemals keine kein noe stimmt-nicht")),
    soft_yes=frozenset(word_list("richtig gut okay ok stimmt passt korrekt perfekt wunderbar einverstanden gern")),
    changing=frozenset(
        word_list("aber sondern lieber stattdessen spaeter frueher anders anderen andere aendern doch warten moment")
    ),
    fillers=frozenset(word_list("aeh aehm hm hmm mhm ah oh also naja tja halt mal")),
    polite=_POLITE,
    question_starts=(
        "was", "wie", "wo", "warum", "welche", "welcher", "wer", "wann", "gibt es", "haben sie", "kann man", "muss ich",
        "nehmen sie", "sind sie", "ist das", "brauche ich", "machen sie", "bieten sie", "wieviel",
    ),
    request_forms=("ich moechte", "ich haette", "ich brauche", "ich wuerde", "kann ich", "koennte ich", "ich will"),
    fields={
        "day": ("tag", "datum"),
        "clock": ("uhrzeit", "zeit", "stunde"),
        "name": ("name", "namen"),
        "service": ("leistung", "behandlung"),
        "phone": ("telefonnummer", "nummer"),
    },
    picks={"ersten": 0, "erste": 0, "ersteren": 0, "zweiten": 1, "zweite": 1, "dritten": 2, "dritte": 2,
           "letzten": -1, "letzte": -1, "fruehere": 0, "frueheren": 0, "spaetere": -1, "spaeteren": -1},
    neither=("keiner", "keinen", "keine", "anderen", "andere", "nicht", "weder"),
    name_markers=(
        "mein name ist", "mein name", "ich heisse", "ich bin", "hier ist", "auf den namen", "name ist", "fuer", "name",
        "hier spricht", "unter",
    ),
    not_names=_NOT_NAMES,
    titles=frozenset(word_list("herr herrn frau doktor dr professor")),
    what_is_free=frozenset(("haben", "frei", "gibt", "zeiten", "moeglich", "verfuegbar")),
    pardon=frozenset((("was",), ("wie",), ("bitte",), ("wie", "bitte"))),
    open_now=("jetzt", "gerade", "momentan", "heute", "noch"),
)  # fmt: skip
