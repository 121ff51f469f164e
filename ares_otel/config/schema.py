"""The tree of configuration keys. Defaults suit a bot on one machine with the ares server or a collector beside it.

The classes do not check what is passed to them: `ares_otel.config.load` does. Durations are seconds, sizes bytes.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from ares_otel.config.drift import Drift
from ares_otel.config.endpoints import exact_url, signal_url
from ares_otel.config.fields import Section, meaning, number, of_kind, path, seconds, size, text
from ares_otel.config.serving import Server, Stack

__all__ = [
    "Alerting",
    "Compression",
    "Config",
    "Correlation",
    "Drift",
    "Exporter",
    "Ledger",
    "LogLevel",
    "Logging",
    "Logs",
    "Method",
    "Metrics",
    "Mode",
    "Orders",
    "Performance",
    "Periods",
    "Portfolio",
    "Protocol",
    "Recorder",
    "Sampler",
    "Sampling",
    "Service",
    "Spool",
]

Mode: TypeAlias = Literal["live", "paper", "backtest", "replay"]
Protocol: TypeAlias = Literal["http/protobuf", "grpc"]
Compression: TypeAlias = Literal["none", "gzip"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]
Periods: TypeAlias = Literal["365", "252"]
Method: TypeAlias = Literal["average", "fifo"]
Sampler: TypeAlias = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]

HEADER_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
PORTS = 65_535
MANY = 100_000_000
MIB = 1 << 20
AS_SPANS = "that of `exporter`"


class Service(Section, frozen=True, kw_only=True):
    """Who sends the telemetry: attributes `service.*` and `deployment.environment.name` of the resource."""

    name: Annotated[str, text("Name of the bot, `service.name`.")] = "ares-bot"
    namespace: Annotated[str, text("Group the bot belongs to, `service.namespace`.")] = "ares"
    version: Annotated[str | None, text("Version of the bot, `service.version`.")] = None
    environment: Annotated[str | None, text("Such as production or staging, `deployment.environment.name`.")] = None
    instance_id: Annotated[str | None, text("`service.instance.id`; none: a new one per process and after fork.")] = (
        None
    )


class Exporter(Section, frozen=True, kw_only=True):
    """Where spans are sent to, and how."""

    enabled: Annotated[bool, meaning("Send spans. Metrics and ids work without.")] = True
    protocol: Annotated[Protocol, meaning("OTLP over HTTP, or over gRPC with the extra `grpc`.")] = "http/protobuf"
    endpoint: Annotated[
        str,
        of_kind(
            "url",
            "Base URL of the receiver; over HTTP `/v1/traces` is appended to its path.",
            shown="http://localhost:4318 (grpc: http://localhost:4317)",
        ),
    ] = "http://localhost:4318"
    traces_endpoint: Annotated[str | None, of_kind("url", "URL for spans used as it is, in place of `endpoint`.")] = (
        None
    )
    headers: Annotated[
        dict[str, str], of_kind("headers", "Headers of each request, such as authorization.", secret=True)
    ] = msgspec.field(default_factory=dict)
    headers_file: Annotated[
        str | None, path("File with one `name: value` a line, added to `headers`: keeps secrets out of this file.")
    ] = None
    timeout: Annotated[float, seconds("Longest wait for the answer to one request.", high=3_600)] = 10.0
    certificate: Annotated[str | None, path("CA certificates (PEM) to trust instead of the system's.")] = None
    client_certificate: Annotated[str | None, path("Certificate chain (PEM) of this client, for mutual TLS.")] = None
    client_key: Annotated[str | None, path("Private key (PEM) of `client_certificate`.")] = None
    compression: Annotated[Compression, meaning("Compression of requests.")] = "none"
    batch_spans: Annotated[int, number("Most spans in one request.", 1, 100_000)] = 1_000
    backoff_limit: Annotated[float, seconds("Longest pause between attempts while the receiver fails.", 0.1)] = 30.0

    @property
    def url(self) -> str:
        """URL (gRPC: target) that spans are sent to."""
        if self.protocol == "grpc":
            return self.traces_endpoint or self.endpoint
        return exact_url(self.traces_endpoint) if self.traces_endpoint else signal_url(self.endpoint, "traces")


class Sampling(Section, frozen=True, kw_only=True):
    """Which decisions become traces; metrics count all of them."""

    sampler: Annotated[Sampler, meaning("Head sampler of OpenTelemetry.")] = "parentbased_always_on"
    ratio: Annotated[float, number("Share of decisions that the samplers named traceidratio keep.", 0, 1)] = 1.0
    slow_seconds: Annotated[float, seconds("A decision that takes longer is always kept.", low=0)] = 5.0
    keep_orders: Annotated[bool, meaning("A decision that makes an order is always kept.")] = True
    keep_errors: Annotated[bool, meaning("A decision that fails is always kept.")] = True


class Recorder(Section, frozen=True, kw_only=True):
    """The bounded queue between the bot's threads and the worker."""

    queue_limit: Annotated[int, number("Most records in the queue; more are dropped and counted.", 100, MANY)] = 100_000
    queue_bytes: Annotated[int, size("Most bytes of them, about.", MIB, 1 << 40)] = 48 * MIB
    drain_interval: Annotated[float, seconds("Pause of the worker between two drains.", high=60)] = 1.0
    max_items: Annotated[int, number("Most records of one decision; more are dropped and counted.", 1, MANY)] = 1_000
    attribute_length_limit: (
        Annotated[int, number("Longest text of an attribute in characters; null: no limit.", 0, MANY)] | None
    ) = 16_384
    attribute_count_limit: Annotated[int, number("Most attributes of one span, event or link.", 0, MANY)] = 128
    shutdown_timeout: Annotated[float, seconds("Longest wait for the last spans at exit.", 0, 600)] = 2.0
    ring: Annotated[
        str | None, path("File in memory that keeps what was not delivered over `kill -9`, one per process; null: off.")
    ] = None
    ring_bytes: Annotated[int, size("Size of that file, taken when the bot starts.", 1 << 20, 1 << 30)] = 16 * MIB


class Spool(Section, frozen=True, kw_only=True):
    """Disk space for spans that could not be delivered yet."""

    enabled: Annotated[bool, meaning("Keep undelivered spans on disk, also over a restart.")] = True
    directory: Annotated[str, path("Directory of the spool.", "`<state_directory>/<service.name>/spool`")] = ""
    cap_bytes: Annotated[int, size("Most bytes on disk; beyond, the oldest spans go and are counted.", 1 << 16)] = (
        256 * MIB
    )


class Ledger(Section, frozen=True, kw_only=True):
    """Which decision an order belongs to, remembered over restarts."""

    enabled: Annotated[bool, meaning("Keep the ledger on disk; otherwise in memory alone.")] = True
    directory: Annotated[str, path("Directory of the ledger.", "`<state_directory>/<service.name>/ledger`")] = ""
    limit: Annotated[int, number("Most orders; beyond, the oldest finished ones go first.", 1, MANY)] = 50_000
    days: Annotated[int, number("Days an order is remembered after its last update.", 1, 3_650)] = 30


class Metrics(Section, frozen=True, kw_only=True):
    """The page that Prometheus scrapes."""

    enabled: Annotated[bool, meaning("Serve `/metrics`.")] = True
    host: Annotated[str, text("Address to listen on; loopback unless others may read it.")] = "127.0.0.1"
    port: Annotated[int, number("Port to listen on; 0: any free one.", 0, PORTS)] = 9_464
    port_range: Annotated[
        int, number("How many ports above `port` to try where it is taken, for several bots on one host.", 0, 1_000)
    ] = 20
    file_sd: Annotated[str | None, path("Prometheus `file_sd` file (JSON) in which the bot enters its address.")] = None
    symbols: Annotated[
        tuple[str, ...], of_kind("list", "The only symbols shown by name; others are `other`.", shown="not set (all)")
    ] = ()
    symbol_limit: Annotated[int, number("Most symbols shown by name; further ones are `other`.", 1, 1_000)] = 20
    feature_limit: Annotated[int, number("Most features shown by name; further ones are `other`.", 1, 1_000)] = 20
    system: Annotated[bool, meaning("Measure CPU, memory, disk, network, event-loop lag, garbage collection.")] = True
    system_interval: Annotated[float, seconds("Pause between two such measurements.", 0.1, 3_600)] = 5.0


class Performance(Section, frozen=True, kw_only=True):
    """How ratios such as Sharpe's are computed by the bot's metrics and by `ares-otel compare`."""

    periods: Annotated[
        Periods, meaning("Returns a year: 365 for markets that never close, 252 for exchange days; scales all ratios.")
    ] = "365"
    minimum: Annotated[int, number("Fewest daily returns of a ratio; with less it is absent.", 5, 10_000)] = 20


class Portfolio(Section, frozen=True, kw_only=True):
    """How accounts are kept from fills, by the bot's metrics and by the server alike."""

    method: Annotated[
        Method,
        meaning("Which cost a closing fill takes away: the average, or that of the first fills (first in, first out)."),
    ] = "average"


class Correlation(Section, frozen=True, kw_only=True):
    """Correlation ids: what joins the parts of one decision."""

    header: Annotated[str, of_kind("token", "HTTP header that carries the id, in and out.", pattern=HEADER_NAME)] = (
        "X-Correlation-ID"
    )
    timeout: Annotated[float, seconds("An open correlation ends with outcome `timeout` after this time.")] = 300.0
    limit: Annotated[int, number("Most open correlations.", 1, MANY)] = 10_000
    propagate_threads: Annotated[bool, meaning("Threads and executors inherit the decision they are started in.")] = (
        True
    )
    client_order_id_trace: Annotated[
        bool, meaning("Client order ids made here carry the trace id: changes what is sent to the venue.")
    ] = False


class Orders(Section, frozen=True, kw_only=True):
    """Orders that outlive their decision."""

    unanswered_after: Annotated[float, seconds("An order without an answer counts as unanswered after this time.")] = (
        30.0
    )


class Logging(Section, frozen=True, kw_only=True):
    """The bot's own log records."""

    inject: Annotated[bool, meaning("Give log records the correlation id, trace id and span id.")] = True


class Logs(Section, frozen=True, kw_only=True):
    """The bot's log records, sent as OTLP logs; where nothing is said of how, they go as spans do."""

    export: Annotated[
        bool, meaning("Send log records, by a handler on the root logger; secrets in them are hidden.")
    ] = False
    level: Annotated[LogLevel, meaning("Least severe records that are sent.")] = "info"
    endpoint: Annotated[
        str, of_kind("url", "URL for log records used as it is.", shown="`/v1/logs` under `exporter.endpoint`")
    ] = ""
    protocol: Annotated[Protocol, meaning("OTLP over HTTP, or over gRPC with the extra `grpc`.", AS_SPANS)] = (
        "http/protobuf"
    )
    headers: Annotated[dict[str, str], of_kind("headers", "Headers of each request.", shown=AS_SPANS, secret=True)] = (
        msgspec.field(default_factory=dict)
    )
    headers_file: Annotated[
        str | None, path("File with one `name: value` a line, in place of `exporter.headers`, added to `logs.headers`.")
    ] = None
    timeout: Annotated[float, seconds("Longest wait for the answer to one request.", high=3_600, shown=AS_SPANS)] = 10.0
    certificate: Annotated[str | None, path("CA certificates (PEM) to trust instead of the system's.", AS_SPANS)] = None
    client_certificate: Annotated[str | None, path("Certificate chain (PEM) of this client.", AS_SPANS)] = None
    client_key: Annotated[str | None, path("Private key (PEM) of `client_certificate`.", AS_SPANS)] = None
    compression: Annotated[Compression, meaning("Compression of requests.", AS_SPANS)] = "none"
    batch_records: Annotated[int, number("Most log records in one request.", 1, 100_000)] = 1_000
    queue_limit: Annotated[
        int, number("Most records that wait for the worker; more are dropped, counted.", 1, MANY)
    ] = 10_000
    body_limit: Annotated[int, number("Longest message in characters.", 1, 1 << 20)] = 8_192
    spool_bytes: Annotated[
        int, size("Most bytes of log records on disk, beside `spool.cap_bytes`; beyond, the oldest go.", 1 << 16)
    ] = 32 * MIB

    @property
    def url(self) -> str:
        """URL (gRPC: target) that log records are sent to."""
        return self.endpoint if self.protocol == "grpc" else exact_url(self.endpoint)


class Alerting(Section, frozen=True, kw_only=True):
    """Hard limits that the bot tells Alertmanager of by itself, within seconds; Prometheus has the same alerts."""

    alertmanagers: Annotated[
        tuple[str, ...], of_kind("urls", "Base URLs of Alertmanagers, each of which is told; none: off.")
    ] = ()
    cluster: Annotated[
        str | None, text("`cluster` of the alerts, as in the `external_labels` of Prometheus: equal alerts are one.")
    ] = "ares"
    resend_interval: Annotated[float, seconds("An alert that goes on is told again after this time.", 1, 600)] = 30.0
    timeout: Annotated[float, seconds("Longest wait for the answer of an Alertmanager.", 0.1, 60)] = 3.0


class Config(Section, frozen=True, kw_only=True):
    """Everything that can be configured.

    `mode` is live unless something else is said: a paper bot taken for a live one costs a look at a dashboard, a live
    bot taken for a paper one goes unwatched.
    """

    mode: Annotated[Mode, meaning("What the bot's orders are, `ares.mode`; live unless said otherwise.")] = "live"
    disabled: Annotated[bool, meaning("Do nothing at all: no spans, no metrics, no threads.")] = False
    strict: Annotated[bool, meaning("Raise for bad configuration and bad values in records, instead of counting.")] = (
        False
    )
    state_directory: Annotated[
        str, path("Base of all files kept.", "`$XDG_STATE_HOME/ares-otel`, else `~/.local/state/ares-otel`")
    ] = ""
    propagators: Annotated[
        tuple[str, ...], of_kind("propagators", "Formats in which context is carried; `none` for none.")
    ] = ("tracecontext", "baggage")
    resource_attributes: Annotated[
        dict[str, str], of_kind("attributes", "Further attributes of the resource; sources add to each other.")
    ] = msgspec.field(default_factory=dict)
    service: Service = Service()
    exporter: Exporter = msgspec.field(default_factory=Exporter)
    sampling: Sampling = Sampling()
    recorder: Recorder = Recorder()
    spool: Spool = Spool()
    ledger: Ledger = Ledger()
    metrics: Metrics = Metrics()
    performance: Performance = Performance()
    portfolio: Portfolio = Portfolio()
    correlation: Correlation = Correlation()
    orders: Orders = Orders()
    logging: Logging = Logging()
    logs: Logs = msgspec.field(default_factory=Logs)
    alerting: Alerting = Alerting()
    drift: Drift = Drift()
    server: Server = Server()
    stack: Stack = Stack()
