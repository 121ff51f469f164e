"""What `ares-otel doctor` looks at."""
