"""Metrics of the ares server about itself, at its own `/metrics`."""

from __future__ import annotations

from ares_otel.semconv import attributes as a
from ares_otel.semconv.model import Counter, Gauge, Histogram, Info, Metric

__all__ = [
    "COMMITS",
    "COMMIT_FAILURES",
    "DATABASE_BYTES",
    "DISK_FREE",
    "QUEUE_BYTES",
    "QUEUE_LENGTH",
    "RECORDS",
    "REQUESTS",
    "REQUEST_DURATION",
    "SERVER",
    "SERVER_METRICS",
    "STREAM_CLIENTS",
    "STREAM_DROPPED",
    "STREAM_MESSAGES",
    "WAL_BYTES",
]

GROUP = "server"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

SERVER = Info("ares_server_info", "version of the server", (a.SERVICE_VERSION,), "", GROUP)
REQUESTS = Counter(
    "ares_server_requests_total",
    "requests answered, those of gRPC with its codes",
    (a.HTTP_ROUTE, a.HTTP_METHOD, a.HTTP_STATUS),
    "",
    GROUP,
)
REQUEST_DURATION = Histogram(
    "ares_server_request_duration_seconds",
    "from the head of a request to the end of its answer; streams are left out",
    (a.HTTP_ROUTE,),
    "s",
    GROUP,
    SECONDS,
)
RECORDS = Counter(
    "ares_server_records_total", "spans and log records by what became of them", (a.SIGNAL, a.STORED), "", GROUP
)
COMMITS = Histogram(
    "ares_server_commit_duration_seconds", "time of a transaction that stores telemetry", (), "s", GROUP, SECONDS
)
COMMIT_FAILURES = Counter("ares_server_commit_failures_total", "transactions that failed", (), "", GROUP)
QUEUE_LENGTH = Gauge("ares_server_queue_length", "requests that wait to be stored", (), "", GROUP)
QUEUE_BYTES = Gauge("ares_server_queue_bytes", "bytes of bodies that wait or are being received", (), "By", GROUP)
DATABASE_BYTES = Gauge("ares_server_database_bytes", "size of the SQLite file", (), "By", GROUP)
WAL_BYTES = Gauge("ares_server_wal_bytes", "size of SQLite's write-ahead log", (), "By", GROUP)
DISK_FREE = Gauge("ares_server_disk_free_bytes", "free where the SQLite file lies", (), "By", GROUP)
STREAM_CLIENTS = Gauge("ares_server_stream_clients", "clients of the live stream", (a.TRANSPORT,), "", GROUP)
STREAM_MESSAGES = Counter(
    "ares_server_stream_messages_total", "messages made for the live stream", (a.TOPIC,), "", GROUP
)
STREAM_DROPPED = Counter(
    "ares_server_stream_dropped_total", "messages that newer ones replaced for a slow client", (a.TOPIC,), "", GROUP
)

SERVER_METRICS: tuple[Metric, ...] = tuple(value for value in vars().values() if isinstance(value, Metric))
