"""The keys of what runs beside the bot: `ares-otel serve`, and where the servers of the stack are found."""

from typing import Annotated, Literal, TypeAlias

from ares_otel.config.fields import Section, days, meaning, number, of_kind, path, seconds, size, text

__all__ = ["Influx", "InfluxVersion", "Limits", "LogFormat", "Retention", "Server", "Stack"]

LogFormat: TypeAlias = Literal["text", "json"]
InfluxVersion: TypeAlias = Literal["1", "2"]

PORTS = 65_535
MANY = 100_000_000
MIB = 1 << 20


class Retention(Section, frozen=True, kw_only=True):
    """How many days `ares-otel serve` keeps what it stored; 0: for ever.

    A day is counted from the newest row of a table, so that what stopped growing is not pruned to nothing.
    """

    spans: Annotated[int, days("Spans as they came, with all their attributes; they are most of the bytes.")] = 30
    decisions: Annotated[int, days("Decisions, votes, orders, their updates, limits and breaches as rows.")] = 365
    outcomes: Annotated[int, days("What came true of predictions, what is known of models and of their drift.")] = 365
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
    answer_seconds: Annotated[
        float, seconds("A question to pages or API that takes longer is broken off and answered 503.", 0.1, 600)
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
    alertmanager_url: Annotated[
        str | None, of_kind("url", "Alertmanager; its firing alerts are shown on the overview, read every 15 seconds.")
    ] = None
    allowed_hosts: Annotated[
        tuple[str, ...], of_kind("list", "Further names in `Host` that requests may come by.")
    ] = ()
    rings: Annotated[
        tuple[str, ...],
        of_kind(
            "list",
            "Rings (`recorder.ring`) of bots of this host and this user, or folders of them: what killed ones left is "
            "stored after half a minute without a new start.",
        ),
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
