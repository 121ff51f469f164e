// Alertmanager and amtool, as `make servers` builds them; from v0.32.0 on the module lacks files and does not build.
// version: 0.31.1
module ares-otel.invalid/alertmanager

go 1.25.0

require github.com/prometheus/alertmanager v0.31.1
