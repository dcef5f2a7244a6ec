"""English words and their purpose, homophones of the recogniser included."""

from __future__ import annotations

from pipelines.brain.lexicon import Intent, Lexicon
from pipelines.brain.tokens import word_list

_APPOINTMENT = {"appointment": 0.5, "appointments": 0.5, "booking": 0.5, "reservation": 0.5}

_CUES: dict[Intent, dict[str, float]] = {
    Intent.BOOK: {
        **_APPOINTMENT,
        "book": 0.8, "booked": 0.4, "schedule": 0.7, "make": 0.5, "need": 0.4, "want": 0.4, "like": 0.4, "get": 0.3,
        "set up": 0.5, "come in": 0.8, "see the": 0.3, "new": 0.3, "an appointment": 0.3, "reserve": 0.7,
        "have an": 0.3, "slot": 0.6, "slots": 0.6, "available": 0.4, "availability": 0.8, "free": 0.4,
        "anything": 0.2, "do you have": 0.2, "sign me": 0.5, "looking for": 0.3, "fit me in": 1.0, "squeeze me in": 1.0,
        "appointment please": 0.5, "see the dentist": 0.7, "see a dentist": 0.7, "see the doctor": 0.7,
        "see a doctor": 0.7,
    },
    Intent.MOVE: {
        "move": 0.9, "move it": 0.2, "move that": 0.2,
        "reschedule": 1.0, "rescheduled": 1.0, "postpone": 1.0, "change": 0.5, "shift": 0.6,
        "push": 0.4, "another time": 0.6, "different time": 0.6, "different day": 0.6, "another day": 0.6,
        "appointment": 0.5,
        "my appointment": 0.1, "booking": 0.5, "instead": 0.2, "re schedule": 1.0,
    },
    Intent.CANCEL: {
        "cancel": 1.0, "cancelled": 0.5, "canceled": 0.5, "cancellation": 0.4, "delete": 0.6, "call off": 0.8,
        "appointment": 0.3, "booking": 0.3, "can't make it": 0.8, "cannot make it": 0.8, "not coming": 0.6,
        "won't be able": 0.8, "cancel my": 0.3, "council": 0.5,
    },
    Intent.LOOKUP: {
        "when is my": 0.8, "what time is my": 0.8, "do i have": 0.5, "check my": 0.5, "find my": 0.6, "my next": 0.5,
        "appointment": 0.4, "appointments": 0.4, "booking": 0.4, "confirm my": 0.5, "when's my": 0.8, "when my": 0.6,
    },
    Intent.HOURS: {
        "open": 0.9, "opening": 0.9, "opened": 0.8, "closed": 0.8, "close": 0.8, "closing": 0.9, "hours": 1.0,
        "our": 0.2, "our hours": 0.3, "hour": 0.3, "what time": 0.2, "when are you": 0.4, "opening hours": 0.5,
        "business hours": 0.5,
        "shut": 0.8, "office hours": 0.5, "are you": 0.2, "do you": 0.2, "you open": 0.1, "slot": -0.7, "slots": -0.7,
        "appointment": -0.7, "available": -0.5, "parking": -0.6, "park": -0.6, "cost": -0.6, "christmas": -0.6,
        "holiday": -0.6, "holidays": -0.6, "easter": -0.6, "an hour": -0.5, "emergency": -0.6, "after hours": -0.4,
    },
    Intent.SERVICES: {
        "services": 1.0, "service": 0.6, "treatments": 1.0, "offer": 0.6, "what do you do": 1.0, "provide": 0.5,
        "kind of appointments": 1.0, "which treatments": 1.0, "what do you offer": 1.0,
    },
    Intent.ORDER: {"order": 0.9, "ordering": 0.7, "i'd like": 0.1, "like": 0.2, "takeaway": 0.6, "delivery": 0.5,
                   "want": 0.2, "place": 0.2, "have": 0.1},
    Intent.HUMAN: {
        "human": 1.0, "person": 0.7, "somebody": 0.6, "someone": 0.6, "speak": 0.4, "talk": 0.4, "real": 0.4,
        "operator": 1.0, "receptionist": 0.7, "representative": 1.0, "agent": 0.7, "colleague": 0.7, "manager": 0.8,
        "callback": 1.0, "call me": 0.7, "call me back": 0.5, "ring me": 0.8, "staff": 0.5, "transfer": 0.8,
        "put me through": 1.0, "doctor": 0.2,
    },
    Intent.GOODBYE: {
        "goodbye": 1.0, "good bye": 1.0, "good by": 1.0, "bye": 1.0, "by by": 1.0, "bye bye": 1.0, "see you": 0.8,
        "that's all": 1.0, "that is all": 1.0, "that's it": 0.8, "nothing else": 1.0, "that will be all": 1.0,
        "that'll be": 0.7, "hang up": 1.0, "have a nice": 0.8, "have a good": 0.8, "have a great": 0.8,
        "no thanks": 0.6, "no thank you": 0.6, "i'm done": 1.0, "i'm good": 0.7, "all set": 0.9,
    },
    Intent.THANKS: {"thanks": 1.0, "thank you": 1.0, "thank": 0.8, "cheers": 1.0, "appreciate": 0.8},
    Intent.REPEAT: {
        "repeat": 1.0, "again": 0.6, "say that": 0.5, "pardon": 1.0, "what did you say": 1.0, "come again": 0.8,
        "didn't hear": 0.8, "didn't catch": 0.8, "couldn't hear": 0.8, "excuse me": 0.6,
        "what was that": 1.0,
    },
    Intent.ABORT: {
        "never mind": 1.0, "nevermind": 1.0, "forget it": 1.0, "forget about": 1.0, "stop": 0.8, "cancel that": 1.0,
        "don't book": 1.0, "do not book": 1.0, "leave it": 1.0, "changed my mind": 1.0, "not now": 0.7,
        "don't want": 0.7, "don't need": 0.7, "cancel": 0.8, "call you back later": 1.0,
    },
    Intent.WAIT: {
        "one moment": 1.0, "a moment": 1.0, "hold on": 1.0, "one second": 1.0, "just a minute": 1.0, "a second": 1.0,
        "let me check": 1.0, "let me see": 1.0, "hang on": 1.0, "one minute": 1.0, "wait": 0.8,
    },
    Intent.GREETING: {"hello": 1.0, "hi": 1.0, "hey": 1.0, "good morning": 1.0, "good afternoon": 1.0,
                      "good evening": 1.0, "hallo": 1.0},
}  # fmt: skip

_FILLERS = frozenset(word_list("uh um erm hmm mm mhm ah er eh huh uhm"))
_POLITE = frozenset(
    word_list("""
    please thanks thank you very much that that's it's it is is this i i'd i'll i'm would will do does me my
    oh well sounds for at on in to of be can could all book it's we're let's was have love go ahead and so then
    appointment time day works work fits suits suit with now what said""")
)
_NOT_NAMES = frozenset(
    word_list("""
    a an the and or but so if then than that this these those there here it its it's is am are was were be been
    i i'm i'd i'll you your yours he she we they me my mine him her us them who what when where which why how
    yes yeah yep no nope not okay ok sure right correct wrong please thanks thank hello hi hey bye goodbye well um uh
    to too for from of on in at by with about after before around until till into out up down over under as
    can could would shall should may might must do does did done have has had get got make made take want
    need like book booking appointment appointments cancel move change reschedule schedule see come coming go going
    calling looking trying wondering hoping interested available free busy open closed close time times day days
    date week weeks month today tomorrow tonight morning afternoon evening noon monday tuesday wednesday thursday
    friday saturday sunday january february march june july september october november december next
    last first second third one two three four five six seven eight nine ten eleven twelve thirty fifteen pm oclock
    half quarter past checkup cleaning filling haircut cut name names phone number call callback speak talk someone
    just actually maybe also only really very much again still now soon later earlier instead sorry pardon excuse
    good fine great perfect new old same other another any some all both either neither more less
    don't can't won't isn't what's that's there's let's afraid not sure ready done glad happy hear
    hold moment second minute wait know check think anything something nothing""")
)

ENGLISH = Lexicon(
    cues=_CUES,
    yes=frozenset(word_list("yes yeah yep yup yea absolutely definitely certainly affirmative indeed yess ya aye")),
    no=frozenset(
        word_list("""
    no nope nah not wrong incorrect don't never negative isn't didn't cancel neither know doesn't
        won't wouldn't can't""")
    ),
    soft_yes=frozenset(word_list("right correct sure okay ok good fine perfect great exactly course confirmed")),
    changing=frozenset(
        word_list("""
    but instead actually rather later earlier different change another wait hold except other sooner make
        almost nearly mistake""")
    ),
    fillers=_FILLERS,
    polite=_POLITE,
    question_starts=(
        "what", "how", "where", "why", "which", "who", "do you", "does", "is there", "are there", "is the", "are you",
        "can you tell", "could you tell", "is it", "may i", "can i bring", "can i pay", "do i", "when", "what's",
        "where's", "how's", "have you", "are your", "will you", "will it", "will i",
        "i want to know", "i wanted to know", "i'd like to know",
        "tell me", "i was wondering", "i have a question", "got a question", "can i park", "should i",
    ),
    request_forms=("can i", "when can i", "could i", "may i", "i'd like", "i would like", "i want", "i need", "can you",
                   "could you"),
    fields={
        "day": ("day", "date"),
        "clock": ("time", "hour"),
        "name": ("name",),
        "service": ("service", "treatment", "reason", "type"),
        "phone": ("phone", "number"),
    },
    picks={
        "first": 0, "former": 0, "earlier": 0, "earliest": 0, "second": 1, "middle": 1, "third": 2, "last": -1,
        "later": -1, "latter": -1, "latest": -1,
    },
    neither=("neither", "none", "nothing", "different", "another", "other", "something else", "not"),
    name_markers=(
        "my name is", "my name", "name is", "names", "the name is", "the name", "this is", "i am", "i'm", "it's",
        "it is", "call me", "under", "under the name", "speaking with", "for", "name",
    ),
    not_names=_NOT_NAMES,
    titles=frozenset(word_list("mister mr mrs misses missus miss ms doctor dr professor")),
    what_is_free=frozenset(("have", "available", "free", "times", "options", "got", "offer")),
    pardon=frozenset((("what",), ("sorry",), ("sorry", "what"), ("huh",), ("pardon", "me"))),
    open_now=("now", "right now", "currently", "at the moment", "still", "today"),
)  # fmt: skip
