"""Metrics of the ares server about itself, at its own `/metrics`."""

from __future__ import annotations

from ares_otel.semconv import attributes as a
from ares_otel.semconv.model import Counter, Gauge, Histogram, Info, Metric

__all__ = [
    "BACKUP_BYTES",
    "BACKUP_DURATION",
    "BACKUP_FAILURES",
    "BACKUP_LAST",
    "COMMITS",
    "COMMIT_FAILURES",
    "DATABASE_BYTES",
    "DISK_FREE",
    "FORWARDED",
    "FORWARD_DURATION",
    "FORWARD_FAILURES",
    "FORWARD_LAG",
    "FORWARD_LAST",
    "PRUNED_ROWS",
    "PRUNE_DURATION",
    "PRUNE_FAILURES",
    "PRUNE_LAST",
    "PRUNE_STEPS",
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

PRUNED_ROWS = Counter(
    "ares_server_pruned_rows_total", "rows deleted because they were too old", (a.RETENTION,), "", GROUP
)
PRUNE_STEPS = Histogram(
    "ares_server_prune_step_duration_seconds",
    "time of a step of pruning, for which what is to be stored waits",
    (),
    "s",
    GROUP,
    SECONDS,
)
PRUNE_DURATION = Gauge(
    "ares_server_prune_duration_seconds", "last run of pruning to its end, pauses included", (), "s", GROUP
)
PRUNE_LAST = Gauge(
    "ares_server_prune_last_success_timestamp_seconds",
    "Unix time at which pruning last came to its end, since the start",
    (),
    "s",
    GROUP,
)
PRUNE_FAILURES = Counter("ares_server_prune_failures_total", "runs of pruning that failed", (), "", GROUP)
BACKUP_LAST = Gauge(
    "ares_server_backup_last_success_timestamp_seconds",
    "Unix time of the last `ares-otel backup` of this database",
    (),
    "s",
    GROUP,
)
BACKUP_DURATION = Gauge("ares_server_backup_duration_seconds", "time of the last back-up", (), "s", GROUP)
BACKUP_BYTES = Gauge("ares_server_backup_bytes", "size of the last back-up", (), "By", GROUP)
BACKUP_FAILURES = Counter(
    "ares_server_backup_failures_total", "back-ups of this database that failed, as it notes them", (), "", GROUP
)
FORWARDED = Counter(
    "ares_server_forwarded_points_total",
    "points that InfluxDB took (stored), or will never take and that are lost there (refused)",
    (a.STORED,),
    "",
    GROUP,
)
FORWARD_DURATION = Histogram(
    "ares_server_forward_duration_seconds", "time of a request that InfluxDB took", (), "s", GROUP, SECONDS
)
FORWARD_FAILURES = Counter(
    "ares_server_forward_failures_total", "requests to InfluxDB that failed and are tried again", (), "", GROUP
)
FORWARD_LAST = Gauge(
    "ares_server_forward_last_success_timestamp_seconds",
    "Unix time at which InfluxDB last took points, since the start",
    (),
    "s",
    GROUP,
)
FORWARD_LAG = Gauge(
    "ares_server_forward_lag_seconds", "age of the oldest spans that wait to be forwarded, 0 if none do", (), "s", GROUP
)

SERVER_METRICS: tuple[Metric, ...] = tuple(value for value in vars().values() if isinstance(value, Metric))
