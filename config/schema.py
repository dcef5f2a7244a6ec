"""Every setting there is, as frozen structs: unknown keys and wrong types are refused on load.

Units stand in the names. A setting without a default must be given.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from config.crms import IntegrationSettings
from config.knowledge import KnowledgeSettings

Positive = Annotated[int, Meta(gt=0)]
NotNegative = Annotated[int, Meta(ge=0)]


SECRETS = ("api_key", "auth_token", "database_url", "password", "secret", "secrets_key", "token")


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every settings block. Secrets never show in its repr."""

    def __repr__(self) -> str:
        shown = (f"{name}={masked(name, getattr(self, name))!r}" for name in self.__struct_fields__)
        return f"{type(self).__name__}({', '.join(shown)})"


def masked(name: str, value: Any) -> Any:
    """`value` as it may be shown: what is called like a secret becomes "***", also inside mappings."""
    if isinstance(value, dict):
        return {key: masked(str(key), item) for key, item in value.items()}
    return "***" if value and name.lower().endswith(SECRETS) else value


# --- stages ---------------------------------------------------------------------------------------


class StageSettings(Setting, frozen=True):
    """Which engine serves a stage, how, and who steps in when it fails."""

    provider: str
    options: dict[str, Any] = {}
    fallback: tuple[StageSettings, ...] = ()
    hedge_ms: Annotated[int, Meta(ge=0, le=30000)] | None = None  # to the first output; 0: never, None: the stage's own
    most_at_once: NotNegative = 0  # requests; 0: any number


class PipelineSettings(Setting, frozen=True):
    vad: StageSettings
    stt: StageSettings
    llm: StageSettings
    tts: StageSettings
    turn: StageSettings | None = None  # a detector of the end of a turn; without: words and pauses alone


# --- agent ----------------------------------------------------------------------------------------


class VoiceSettings(Setting, frozen=True):
    provider: str = ""  # "": the pipeline's own
    voice_id: str = ""
    settings: dict[str, Any] = {}  # "speed" is understood by every provider


class ModelSettings(Setting, frozen=True):
    """The language model that an agent wishes for. It gets it where its organization has a key for that provider."""

    provider: str = ""  # "": the pipeline's own
    model: str = ""


class Personality(Setting, frozen=True):
    tone: str = "professional"
    traits: tuple[str, ...] = ()


class Capabilities(Setting, frozen=True):
    appointment_booking: bool = True
    order_taking: bool = False
    faq_answering: bool = True
    call_transfer: bool = False


class TurnPolicy(Setting, frozen=True):
    """When the caller's turn counts as over, and what it takes to interrupt the agent."""

    base_wait_ms: Annotated[int, Meta(ge=100, le=5000)] = 550
    min_wait_ms: Annotated[int, Meta(ge=50, le=5000)] = 250
    max_wait_ms: Annotated[int, Meta(ge=200, le=10000)] = 2200
    speech_start_ms: Annotated[int, Meta(ge=20, le=1000)] = 60
    barge_in: bool = True
    barge_in_ms: Annotated[int, Meta(ge=60, le=3000)] = 400
    protect_greeting: bool = False
    unexplained_silence_ms: Annotated[int, Meta(ge=500, le=30000)] = 2500
    speculation: bool = True  # the answer may be begun at a pause, before the turn is certain
    speculations_per_turn: Annotated[int, Meta(ge=1, le=10)] = 2
    speculation_tokens: Annotated[int, Meta(ge=0)] = 20_000  # of the model, wasted in one call at most


class CallLimits(Setting, frozen=True):
    max_call_s: Annotated[int, Meta(ge=5, le=14400)] = 1800
    caller_silence_s: Annotated[int, Meta(ge=2, le=600)] = 10
    max_reprompts: Annotated[int, Meta(ge=0, le=10)] = 2


class AgentSettings(Setting, frozen=True):
    """An agent's configuration. The names that the native REST document shows are the same here."""

    greeting: str = "Hello, you have reached {company_name}. How can I help you?"
    language: str = "en"
    model: ModelSettings = ModelSettings()
    voice: VoiceSettings = VoiceSettings()
    personality: Personality = Personality()
    prompt: str = ""
    knowledge_base_ids: tuple[str, ...] = ()
    capabilities: Capabilities = Capabilities()
    phrases: tuple[str, ...] = ()
    pipeline: str = ""  # "": the server's
    stages: dict[str, StageSettings] = {}  # per-stage override: vad | stt | llm | tts
    turn: TurnPolicy = TurnPolicy()
    limits: CallLimits = CallLimits()
    transfer_to: str = ""  # number or extension for the capability call_transfer; "": the business's telephone
    analysis: Literal["words", "model"] = "words"  # how finished calls are: by word lists, or by the agent's model


# --- server ---------------------------------------------------------------------------------------


class TwilioSettings(Setting, frozen=True):
    account_sid: str = ""
    auth_token: str = ""  # from VOICECORE_TWILIO__AUTH_TOKEN; never logged
    region: str = ""  # "ie1": where Twilio keeps and processes the calls
    edge: str = ""  # "dublin": where we enter its network
    api_url: str = ""  # instead of https://api.twilio.com, with region and edge


class SimulatedCarrierSettings(Setting, frozen=True):
    """What becomes of a number, by its last digits; every other one is answered."""

    busy: tuple[str, ...] = ("9991",)
    no_answer: tuple[str, ...] = ("9992",)
    unreachable: tuple[str, ...] = ("9993",)
    silent: tuple[str, ...] = ("9994",)  # answered, and nothing is said
    ring_ms: NotNegative = 1000  # before somebody answers, or is busy
    sentences: Annotated[int, Meta(ge=0, le=10)] = 3  # that whoever answers says, before he hangs up
    silence_s: Positive = 60  # after which a silent one hangs up


class CarrierSettings(Setting, frozen=True):
    """Who carries the calls that we make, and when they are dialled."""

    # "": twilio where there is an account and public_url (none without the latter), simulated without an account
    kind: Literal["", "none", "simulated", "twilio"] = ""
    from_number: str = ""  # where an organization has none
    max_calls: Positive = 50  # that we have made, at the same time, over all processes
    ring_s: Annotated[int, Meta(ge=1, le=600)] = 30
    grace_s: NotNegative = 900  # a scheduled call that could not be dialled in time is dialled so much later at most
    extensions: str = ""  # how a transfer to an extension is dialled: "sip:{extension}@pbx.example.com"
    simulated: SimulatedCarrierSettings = SimulatedCarrierSettings()


class MediaSettings(Setting, frozen=True):
    max_message_bytes: Positive = 65536
    start_timeout_s: Annotated[float, Meta(gt=0)] = 10.0
    idle_timeout_s: Annotated[float, Meta(gt=0)] = 30.0
    send_timeout_s: Annotated[float, Meta(gt=0)] = 5.0
    ahead_ms: Annotated[int, Meta(ge=100, le=300)] = 300  # audio sent before it is heard, at most


class AdmissionSettings(Setting, frozen=True):
    """When a new call is refused, per process, and what its caller hears."""

    max_calls: Positive = 1000
    reserved_calls: NotNegative = 0  # of them, for priority numbers only
    priority_numbers: tuple[str, ...] = ()  # callers' or called numbers
    calls_per_organization: NotNegative = 0  # 0: no quota
    max_loop_lag_ms: Annotated[float, Meta(gt=0)] = 60.0
    max_engine_backlog_ms: Annotated[float, Meta(gt=0)] = 1500.0
    calls_per_second: Annotated[float, Meta(gt=0)] = 50.0  # new ones, in the long run
    burst_calls: Positive = 100  # new ones at once
    overflow: Literal["say", "reject", "redirect"] = "say"
    overflow_url: str = ""  # TwiML to go on with, for "redirect"


Usd = Decimal


class Price(Setting, frozen=True):
    """What a provider charges for the use of a model; what is missing is not charged, or not known. Without a price of
    their own, cached tokens cost what others cost."""

    usd_per_million_input_tokens: Usd | None = None
    usd_per_million_cached_tokens: Usd | None = None
    usd_per_million_output_tokens: Usd | None = None
    usd_per_million_characters: Usd | None = None  # sent to a voice
    usd_per_minute_spoken: Usd | None = None  # by a voice
    usd_per_minute_heard: Usd | None = None  # by a recogniser
    free: bool = False  # nobody sends a bill

    def __post_init__(self) -> None:
        prices = [price for name in self.__struct_fields__ if isinstance(price := getattr(self, name), Decimal)]
        if bool(prices) == self.free:
            raise ValueError("give prices, or free: true")
        if not all(price.is_finite() and price >= 0 for price in prices):
            raise ValueError("a price is a number, and not below 0")


class AuthSettings(Setting, frozen=True):
    access_token_s: Positive = 1800
    refresh_token_s: Positive = 2592000
    open_call_log: bool = True  # agents may report calls to the receptionist's surface without a token


class WebhookSettings(Setting, frozen=True):
    """What is sent to clients' own servers."""

    allow_private: bool = False  # also to addresses of this machine and its networks


class ServerSettings(Setting, frozen=True):
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    data: str = "data"
    voice_cache_mb: NotNegative = 64  # greetings and fixed sentences as audio, in `data`; 0: only in memory
    public_url: str = ""  # as the carrier and clients dial us, "https://voice.example.com"
    database_url: str = ""  # "": SQLite inside `data`
    database_shared: bool = True  # other servers may write to a PostgreSQL
    pipeline: str = "embedded"
    pipelines: dict[str, PipelineSettings] = {}  # adds to, or replaces, the shipped ones
    prices: dict[str, Price] = {}  # by "provider/model": they go before the shipped ones
    secrets_key: str = ""  # encrypts stored keys; "": one in `data`. Several, comma between: the first encrypts
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    drain_s: NotNegative = 30
    limits: Literal["documented", "relaxed"] = "documented"  # REST rate limits
    limits_url: str = ""  # a Redis where several servers count together, "redis://host:6379/0"; "": each by itself
    cors_origins: tuple[str, ...] = ()  # pages that browsers let call us, "https://app.example.com"; "*": every page
    media: MediaSettings = MediaSettings()
    admission: AdmissionSettings = AdmissionSettings()
    workers: Positive = 1  # processes that share the port, one per core
    auth: AuthSettings = AuthSettings()
    twilio: TwilioSettings = TwilioSettings()
    carrier: CarrierSettings = CarrierSettings()
    webhooks: WebhookSettings = WebhookSettings()
    integrations: IntegrationSettings = IntegrationSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()


# --- an agent's file ------------------------------------------------------------------------------


class Company(Setting, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=120)]
    timezone: str = "UTC"  # IANA name, "Europe/Berlin"
    phone: str = ""
    address: str = ""


class ServiceSettings(Setting, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    minutes: Annotated[int, Meta(ge=5, le=480)]


class ArticleSettings(Setting, frozen=True):
    """One thing the agent knows. `questions`: how callers ask for it."""

    title: Annotated[str, Meta(min_length=1)]
    content: Annotated[str, Meta(min_length=1)]
    tags: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


class AgentFile(Setting, frozen=True):
    """One agent with everything it needs to work: what a file in `config/agents/` holds."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
    name: str
    company: Company
    description: str = ""
    config: AgentSettings = AgentSettings()
    services: tuple[ServiceSettings, ...] = ()
    opening_hours: dict[str, str] = {}  # mon … sun: "09:00-18:00", or "09:00-12:00, 13:00-18:00"
    knowledge: tuple[ArticleSettings, ...] = ()
