"""`ares-otel doctor` against the real servers."""

from __future__ import annotations

from stack_doctor import doctor
from whole_kit import Stack


def test_doctor_finds_all_in_order(stack: Stack) -> None:
    """A span and a log record go through the collector and are found; what does not run here is said so."""
    code, findings = doctor(stack, "--wait", "90")

    missing = {"Grafana", "ring", "second opinion"}
    missing |= {name for name, there in (("Tempo", stack.tempo), ("Loki", stack.loki)) if not there}
    assert {name for name, each in findings.items() if each["state"] == "not configured"} == missing
    assert {name: each for name, each in findings.items() if each["state"] == "failed"} == {}
    assert code == 0
    assert findings["alerts of hard limits"]["detail"] == f"{stack.alertmanager.url} takes alerts"
    expected = {
        "span in the ares server",
        "log record in the ares server",
        *(("span in Tempo", "exemplar in Prometheus") if stack.tempo else ()),
        *(("log record in Loki",) if stack.loki else ()),
    }
    assert expected <= set(findings)


def test_doctor_finds_what_is_wrong(stack: Stack) -> None:
    """A wrong token is said to be the cause, with the remedy; what depends on it is not said to be well."""
    code, findings = doctor(
        stack, ARES_OTEL_EXPORTER_HEADERS_FILE="", OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20no"
    )

    assert code == 1
    assert "401" in findings["exporter"]["detail"]
    assert "exporter.headers_file" in findings["exporter"]["remedy"]
    assert findings["span in the ares server"]["state"] == "failed"
    assert "401" in findings["log records"]["detail"]
    assert findings["log record in the ares server"]["state"] == "failed"
    assert findings["Prometheus"]["state"] == "ok"
