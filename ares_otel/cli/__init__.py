"""The command `ares-otel`."""
