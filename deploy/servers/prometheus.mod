// Prometheus and promtool, as `make servers` builds them: this module around theirs, whose v0.314.0 is release 3.14.0.
// version: 3.14.0
module ares-otel.invalid/prometheus

go 1.25.8

require github.com/prometheus/prometheus v0.314.0

// Some of its dependencies name an older cloud.google.com/go, which still held what is a module of its own now.
replace cloud.google.com/go => cloud.google.com/go v0.123.0
