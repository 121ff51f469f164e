"""The tree of configuration keys. Defaults suit a bot on one machine with the ares server or a collector beside it.

The classes do not check what is passed to them: `ares_otel.config.load` does. Durations are seconds, sizes bytes.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from ares_otel.config.endpoints import exact_url, traces_url
from ares_otel.config.fields import Section, days, meaning, number, of_kind, path, seconds, size, text

__all__ = [
    "Compression",
    "Config",
    "Correlation",
    "Exporter",
    "Influx",
    "InfluxVersion",
    "Ledger",
    "Limits",
    "LogFormat",
    "Logging",
    "Method",
    "Metrics",
    "Mode",
    "Orders",
    "Performance",
    "Periods",
    "Portfolio",
    "Protocol",
    "Recorder",
    "Retention",
    "Sampler",
    "Sampling",
    "Server",
    "Service",
    "Spool",
    "Stack",
]

Mode: TypeAlias = Literal["live", "paper", "backtest", "replay"]
Protocol: TypeAlias = Literal["http/protobuf", "grpc"]
Compression: TypeAlias = Literal["none", "gzip"]
LogFormat: TypeAlias = Literal["text", "json"]
InfluxVersion: TypeAlias = Literal["1", "2"]
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
        return exact_url(self.traces_endpoint) if self.traces_endpoint else traces_url(self.endpoint)


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
    drain_interval: Annotated[float, seconds("Pause of the worker between two drains.", high=60)] = 1.0
    max_items: Annotated[int, number("Most records of one decision; more are dropped and counted.", 1, MANY)] = 1_000
    attribute_length_limit: (
        Annotated[int, number("Longest text of an attribute in characters; null: no limit.", 0, MANY)] | None
    ) = 16_384
    attribute_count_limit: Annotated[int, number("Most attributes of one span, event or link.", 0, MANY)] = 128
    shutdown_timeout: Annotated[float, seconds("Longest wait for the last spans at exit.", 0, 600)] = 2.0


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


class Retention(Section, frozen=True, kw_only=True):
    """How many days `ares-otel serve` keeps what it stored; 0: for ever.

    A day is counted from the newest row of a table, so that what stopped growing is not pruned to nothing.
    """

    spans: Annotated[int, days("Spans as they came, with all their attributes; they are most of the bytes.")] = 30
    decisions: Annotated[int, days("Decisions, votes, orders, their updates, limits and breaches as rows.")] = 365
    outcomes: Annotated[int, days("What came true of predictions, and what is known of models.")] = 365
    equity: Annotated[int, days("Equity, funding, positions, bars, marks and trades.")] = 1_095
    rollups: Annotated[int, days("Sums by hour and by day.")] = 0
    logs: Annotated[int, days("Log records.")] = 14
    open_orders: Annotated[
        int, days("An order that is still open keeps all that belongs to it until nothing was heard of it so long.")
    ] = 400


class Influx(Section, frozen=True, kw_only=True):
    """Where `ares-otel serve` forwards rows to as line protocol.

    A token or a password comes from a file or from `INFLUX_TOKEN` or `INFLUX_PASSWORD`, never from this file.
    """

    url: Annotated[str | None, of_kind("url", "Base URL of InfluxDB; none: nothing is forwarded.")] = None
    version: Annotated[InfluxVersion, meaning("1: `/write` of InfluxDB 1.x; 2: `/api/v2/write` of 2.x and 3.x.")] = "2"
    database: Annotated[str, text("Database of 1.x; it has to exist.")] = "ares"
    username: Annotated[str | None, text("User of 1.x, where it asks for one.")] = None
    password_file: Annotated[str | None, path("File with the password of `username`.")] = None
    organization: Annotated[str, text("Organization of 2.x.")] = "ares"
    bucket: Annotated[str, text("Bucket of 2.x; it has to exist.")] = "ares"
    token_file: Annotated[str | None, path("File with the token of 2.x.")] = None
    batch_points: Annotated[int, number("Most points in one request.", 1, 100_000)] = 5_000
    interval: Annotated[float, seconds("Pause between two looks for new rows.", high=3_600)] = 2.0
    timeout: Annotated[float, seconds("Longest wait for the answer to one request.", high=3_600)] = 10.0
    backoff_limit: Annotated[float, seconds("Longest pause between attempts while it fails.", 0.1)] = 60.0


class Limits(Section, frozen=True, kw_only=True):
    """How much `ares-otel serve` takes at once; beyond, it answers 429 or 503 with `Retry-After`, and senders wait.

    A client is a token, or an address where no token is asked for.
    """

    reads: Annotated[int, number("Requests to pages and API a second and client; 0: no limit.", 0, MANY)] = 500
    writes: Annotated[int, number("Telemetry requests a second and client; 0: no limit.", 0, MANY)] = 5_000
    concurrent: Annotated[int, number("Requests to pages and API that are answered at the same time.", 1, MANY)] = 64
    connections: Annotated[int, number("Connections, all clients together.", 1, MANY)] = 2_000
    streams: Annotated[int, number("Clients of the live stream, SSE and WebSocket together.", 0, MANY)] = 256
    slow_seconds: Annotated[
        float, seconds("A client that takes longer to send a request's head, or to read at all, is cut off.", 0.1, 600)
    ] = 30.0
    free_bytes: Annotated[int, size("Not ready while the disk of the database has less left.", 0)] = 64 * MIB


class Server(Section, frozen=True, kw_only=True):
    """`ares-otel serve`; the bot itself reads none of these."""

    host: Annotated[str, text("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, number("Port to listen on; 0: any free one.", 0, PORTS)] = 4_318
    database: Annotated[str, path("SQLite file.", "`<state_directory>/ares.db`")] = ""
    database_url: Annotated[str | None, of_kind("dsn", "SQLAlchemy URL in place of `database`.")] = None
    max_body_bytes: Annotated[int, size("Longest request body, also after decompression.", 1_024, 1 << 30)] = 8 * MIB
    token_file: Annotated[
        str | None, path("Access: one `token [read|write|all]` a line; needed to listen beyond loopback.")
    ] = None
    public_url: Annotated[
        str | None, of_kind("url", "Address in browsers, where a proxy stands in front: its host and scheme count.")
    ] = None
    trace_url: Annotated[
        str | None,
        of_kind("url", "Address of a trace in Grafana or Tempo with `{trace_id}` in it, linked from decisions."),
    ] = None
    allowed_hosts: Annotated[
        tuple[str, ...], of_kind("list", "Further names in `Host` that requests may come by.")
    ] = ()
    certificate: Annotated[str | None, path("Certificate chain (PEM) to serve HTTPS and gRPC with TLS.")] = None
    key: Annotated[str | None, path("Private key (PEM) of `certificate`.")] = None
    grpc_port: (
        Annotated[int, number("Port for OTLP over gRPC, with the extra `grpc`; null: none; 0: any free.", 0, PORTS)]
        | None
    ) = None
    push: Annotated[bool, meaning("Let clients listen to what is stored, by SSE and WebSocket.")] = True
    push_interval: Annotated[float, seconds("Pause between two messages of the live stream.", 0.05, 3_600)] = 1.0
    log_format: Annotated[LogFormat, meaning("How `ares-otel serve` writes its log to stderr.")] = "text"
    access_log: Annotated[bool, meaning("Log each request; those for telemetry only where they fail.")] = False
    limits: Limits = Limits()
    retention: Retention = Retention()
    influx: Influx = Influx()


class Stack(Section, frozen=True, kw_only=True):
    """Where `ares-otel doctor` finds the servers around the bot; the bot itself reads none of these."""

    parts: Annotated[
        tuple[str, ...],
        of_kind("list", "Which of these servers there are: a part that is not named is not examined."),
    ] = ("collector", "server", "tempo", "prometheus", "alertmanager", "grafana")
    collector: Annotated[str, of_kind("url", "Health check of the collector.")] = "http://127.0.0.1:13133"
    server: Annotated[str, of_kind("url", "The ares server.")] = "http://127.0.0.1:8100"
    server_token_file: Annotated[
        str | None, path("File with a token of the ares server that may read, where it asks for one.")
    ] = None
    tempo: Annotated[str, of_kind("url", "API of Tempo.")] = "http://127.0.0.1:3200"
    prometheus: Annotated[str, of_kind("url", "API of Prometheus.")] = "http://127.0.0.1:9090"
    alertmanager: Annotated[str, of_kind("url", "API of Alertmanager.")] = "http://127.0.0.1:9093"
    grafana: Annotated[str, of_kind("url", "Grafana.")] = "http://127.0.0.1:3000"
    grafana_user: Annotated[str, text("Who asks Grafana for its boards.")] = "admin"
    grafana_password_file: Annotated[
        str | None, path("File with the password of `grafana_user`; none: Grafana is asked without signing in.")
    ] = None
    loki: Annotated[str, of_kind("url", "API of Loki.")] = "http://127.0.0.1:3100"


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
    server: Server = Server()
    stack: Stack = Stack()
