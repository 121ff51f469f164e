"""The ares server: takes OTLP, keeps what happened by correlation id in SQL, tells it again."""
