"""`ares-otel doctor`: each failure says its cause and its remedy; what is not configured is never said to be well."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_stack import NO_DATE, FakeStack

from ares_otel.cli.checks import sent
from ares_otel.cli.checks.bot import second_opinion, server_of
from ares_otel.cli.checks.finding import Check, failed, fine, settled
from ares_otel.cli.checks.web import TroubleError, Web, basic, bearer
from ares_otel.cli.main import main


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStack]:
    """Run a healthy stack that the environment leads to."""
    monkeypatch.setattr(sent, "PATIENCE", 0.0)
    with FakeStack() as fake:
        for name, value in fake.environment().items():
            monkeypatch.setenv(name, value)
        yield fake


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> dict[str, dict[str, str]]:
    """Return the findings of a run by check; of several about the same, the last one."""
    assert main(["doctor", "--json", *arguments]) == code
    return {each["check"]: each for each in json.loads(capsys.readouterr().out)}


def test_all_is_well(
    stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every part is asked, the span that was sent is found everywhere, and what is not there is not said to be well."""
    monkeypatch.setenv("ARES_OTEL_RECORDER_RING", str(tmp_path / "ring"))
    found = told(capsys, code=0)

    others = {"license", "second opinion"}  # what depends on what is installed here
    assert {each["state"] for name, each in found.items() if name not in others} == {"ok"}
    assert {"span in Tempo", "span in the ares server", "exemplar in Prometheus", "rules", "scrapes"} <= set(found)
    assert {"log records", "log record in the ares server", "log record in Loki", "data source loki"} <= set(found)
    assert stack.logs == stack.traces
    assert len(stack.traces) == 1
    assert ("POST", "/api/v2/alerts") in {(method, path) for method, path, _ in stack.sent}
    assert stack.traces[0] in found["span sent"]["detail"]


def test_what_a_bot_does_not_send(
    stack: FakeStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Log records that are not exported and alerts that the bot does not tell are neither sent nor said to be well."""
    monkeypatch.setenv("ARES_OTEL_LOGS_EXPORT", "false")
    monkeypatch.setenv("ARES_OTEL_ALERTING_ALERTMANAGERS", "")
    monkeypatch.setenv("ARES_OTEL_STACK_PARTS", "tempo")

    found = told(capsys, code=0)

    absent = {name for name, each in found.items() if each["state"] == "not configured"}
    assert {"log records", "log record sent", "alerts of hard limits", "Loki", "ares server"} <= absent
    assert "log record in Loki" not in found
    assert stack.logs == []
    assert {path for method, path, _ in stack.sent if method == "POST"} == {"/v1/traces"}


def test_id_that_begins_with_zeros(
    monkeypatch: pytest.MonkeyPatch, stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tempo leaves away the zeros that a trace id begins with, in searches and exemplars; the span is found even so."""
    monkeypatch.setattr("ares_otel.cli.checks.probe.secrets.token_hex", lambda _: "00a1" * 8)

    found = told(capsys, code=0)

    assert stack.traces == ["00a1" * 8]
    assert {found[name]["state"] for name in ("span in Tempo", "exemplar in Prometheus")} == {"ok"}


def test_nothing_of_the_stack_is_configured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a word of the stack it is not looked for, which is said; with the switch it is, on this host."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    found = told(capsys, code=0)
    assert (found["stack"]["state"], found["exporter"]["state"]) == ("not configured", "not configured")
    monkeypatch.setenv("ARES_OTEL_STACK_PARTS", "loki,tmpo")
    monkeypatch.setenv("ARES_OTEL_STACK_LOKI", "http://127.0.0.1:9")
    found = told(capsys, "--stack", code=1)
    assert "'tmpo' is none" in found["parts"]["detail"]
    assert "set stack.loki (ARES_OTEL_STACK_LOKI)" in found["Loki"]["remedy"]
    assert found["Tempo"]["state"] == "not configured"
    assert "rules" not in found


@pytest.mark.parametrize(
    ("path", "answer", "check", "cause", "remedy"),
    [
        ("/readyz", (503, "the disk is full"), "ares server", "503 the disk is full", "make logs"),
        ("/-/ready", (503, ""), "Prometheus", "503 Service Unavailable", "make logs"),
        ("/-/ready", (599, ""), "Alertmanager", "answered 599", "make logs"),
        ("/api/search", (200, {}), "span in Tempo", "no search finds it", "the collector sends to Tempo"),
        ("/api/v1/search", (200, []), "span in the ares server", "no search finds it", "the collector sends"),
        ("/api/v1/search", (401, "token"), "span in the ares server", "401 token", "see whether"),
        ("/api/v1/query_exemplars", (200, {"data": []}), "exemplar in Prometheus", "no exemplar", "exemplar-storage"),
        (
            "/api/v1/query_exemplars",
            (200, {"data": [{"exemplars": [{"labels": {"trace_id": "1"}}]}]}),
            *("exemplar in Prometheus", "no exemplar has its trace id", "send_exemplars"),
        ),
        ("/v1/logs", (404, ""), "log records", "answered 404", "mend the path of logs.endpoint (else that of exporter"),
        ("/v1/logs", (401, "no"), "log records", "answered 401 no", "logs.headers_file (else that of exporter"),
        ("/v1/logs", (403, "no"), "log record sent", "answered 403 no", "see log records"),
        ("/v1/logs", (403, "no"), "log record in Loki", "no log record could be sent", "see log record sent"),
        (
            "/api/v1/logs",
            (200, {"items": []}),
            "log record in the ares server",
            "finds none",
            "sends to the ares server",
        ),
        ("/loki/api/v1/query_range", (200, {"data": {}}), "log record in Loki", "find none", "logs.yaml"),
        ("/api/v2/alerts", (401, "who?"), "alerts of hard limits", "401 who?", "user and password"),
        (
            "/api/v2/alerts",
            (404, ""),
            "alerts of hard limits",
            "answered 404",
            "mend the path in alerting.alertmanagers",
        ),
        ("/api/v2/alerts", (503, "full"), "alerts of hard limits", "503 full", "`make logs ARGS=alertmanager`"),
        ("/v1/traces", (401, "no"), "exporter", "answered 401 no", "exporter.headers_file"),
        ("/v1/traces", (404, ""), "span sent", "answered 404", "see exporter"),
        ("/api/v1/rules", (200, {"data": {"groups": []}}), "rules", "groups are missing: ares-bot", "prometheus/rules"),
        ("/api/v1/rules", (200, {"data": 1}), "rules", "answers something unknown", "see whether"),
        ("/api/v1/alertmanagers", (200, {"data": {"activeAlertmanagers": []}}), "way of alerts", "no Alert", "targets"),
        (
            "/api/v1/targets",
            (200, {"data": {"activeTargets": [{"labels": {"job": "tempo", "instance": "t:1"}, "health": "down"}]}}),
            *("scrapes", "tempo t:1: down", "take it out of"),
        ),
        (
            *("/api/datasources/proxy/uid/tempo/api/echo", (502, "refused")),
            *("data source tempo", "502 refused", "provisioning/datasources"),
        ),
    ],
)
def test_causes_and_remedies(
    stack: FakeStack,
    capsys: pytest.CaptureFixture[str],
    path: str,
    answer: tuple[int, Any],
    check: str,
    cause: str,
    remedy: str,
) -> None:
    """What is wrong with one part is said of it, with the cause as the part says it, and what to do."""
    stack.answers[path] = answer

    found = told(capsys, code=1)

    assert found[check]["state"] == "failed"
    assert cause in found[check]["detail"]
    assert remedy in found[check]["remedy"]


def test_boards_and_rules_that_are_ill(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing boards are named, and a rule that fails with its error."""
    groups = stack.answers["/api/v1/rules"][1]["data"]["groups"]  # type: ignore[index]
    ill = {"name": "ill", "rules": [{"name": "AresX", "health": "err", "lastError": "many-to-many"}]}
    stack.answers["/api/v1/rules"] = (200, {"data": {"groups": [*groups, ill]}})
    stack.answers["/api/search"] = lambda query: (200, [{"uid": "ares-bot"}] if "type" in query else {})

    found = told(capsys, code=1)

    assert "ares-trading" in found["boards in Grafana"]["detail"]
    assert "ares-bot" not in found["boards in Grafana"]["detail"]
    assert "AresX: many-to-many" in found["rules"]["detail"]


def test_secrets_come_from_files(
    stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Token and password are sent to whom they belong, to nobody else, and are printed nowhere."""
    (tmp_path / "token").write_text("tokenword read\n")
    (tmp_path / "password").write_text("pass word\n")
    monkeypatch.setenv("ARES_OTEL_STACK_SERVER_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("ARES_OTEL_STACK_GRAFANA_PASSWORD_FILE", str(tmp_path / "password"))

    found = told(capsys, code=0)

    sent = {path.partition("?")[0]: headers.get("Authorization") for _, path, headers in stack.sent}
    assert sent["/readyz"] == "Bearer tokenword"
    assert sent["/api/health"] == "Basic YWRtaW46cGFzcyB3b3Jk"
    assert sent["/api/v1/rules"] is None
    assert "word" not in json.dumps(found).replace(str(tmp_path), "").replace("password_file", "")
    (tmp_path / "token").write_text("")
    assert "is empty" in told(capsys, code=1)["secrets"]["detail"]
    (tmp_path / "token").unlink()
    assert "No such file" in told(capsys, code=1)["secrets"]["detail"]


def test_waiting(monkeypatch: pytest.MonkeyPatch, stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    """What fails is asked again until it is well; what is waited for is said; nothing is asked in vain."""
    asked: list[str] = []

    def starting(_: dict[str, str]) -> tuple[int, str]:
        asked.append("")
        return (200, "") if len(asked) > 2 else (503, "starting")

    stack.answers["/ready"] = starting
    monkeypatch.setenv("ARES_OTEL_STACK_PARTS", "tempo")
    monkeypatch.setattr("ares_otel.cli.checks.finding.PAUSE", 0.0)

    assert main(["doctor", "--wait", "60"]) == 0

    shown = capsys.readouterr()
    assert len(asked) == 3
    assert shown.err == "waiting for: Tempo\n"
    assert "FAIL" not in shown.out
    for wrong in ("-1", "4000", "soon"):
        with pytest.raises(SystemExit):
            main(["doctor", "--wait", wrong])


def test_patience() -> None:
    """A check that takes its time is asked for as long, and then its failure stands; others are not asked again."""
    now, asked = [0.0], {"slow": 0, "other": 0}

    def ask(name: str) -> list[Any]:
        asked[name] += 1
        return [failed(name, "not yet", "wait")]

    checks = [Check(lambda: ask("slow"), lambda: 10.0), Check(lambda: ask("other"))]

    found = settled(checks, 0.0, clock=lambda: now[0], sleep=lambda pause: now.__setitem__(0, now[0] + 4 + pause))

    assert [each.check for each in found] == ["slow", "other"]
    assert asked == {"slow": 4, "other": 1}
    assert settled([Check(lambda: [fine("a", "b")])]) == [fine("a", "b")]


def test_the_exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A receiver that is down is named with what to start; a configuration with errors has an exit code of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert f"FAIL  exporter: http://127.0.0.1:{port}" in shown
    assert "→ start the receiver" in shown
    assert "FAIL  clock" in shown
    file = tmp_path / "ares.yaml"
    file.write_text("metrics: {prot: 1}\n")
    assert main(["--config", str(file), "doctor"]) == 2
    assert "port" in capsys.readouterr().out
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=%0A")
    told(capsys, code=1)


@pytest.mark.usefixtures("stack")
def test_grpc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With gRPC its port is asked, its extra has to be there, and there is no date to compare."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
    found = told(capsys, code=1)
    assert (found["exporter"]["state"], found["clock"]["state"]) == ("ok", "not configured")
    assert found["span sent"]["state"] == "failed"
    assert found["extra grpc"]["detail"] == "installed"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:9")
    monkeypatch.setenv("ARES_OTEL_ALERTING_ALERTMANAGERS", "http://joe:hunter2@127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc", None)
    found = told(capsys, code=1)
    assert "127.0.0.1:9" in found["exporter"]["detail"]
    assert "127.0.0.1:9" in found["log records"]["detail"]
    assert found["alerts of hard limits"]["detail"].startswith("http://127.0.0.1:9: ")
    assert "start it (`make up`)" in found["alerts of hard limits"]["remedy"]
    assert "hunter2" not in json.dumps(found)
    assert "pip install 'ares-otel[grpc]'" in found["extra grpc"]["remedy"]


@pytest.mark.parametrize(("ahead", "state"), [(0, "ok"), (90, "failed"), (-90, "failed")])
def test_the_clock(stack: FakeStack, capsys: pytest.CaptureFixture[str], ahead: int, state: str) -> None:
    """A clock that surely is off by more than can be borne is found, from a date in whole seconds."""
    stack.date = time.time() + ahead if ahead else None

    found = told(capsys, code=1 if ahead else 0)

    assert found["clock"]["state"] == state
    assert "NTP" in found["clock"]["remedy"] or not ahead


@pytest.mark.usefixtures("stack")
def test_the_ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Off is worth a word; a folder that cannot be written, no room, and what was never delivered are found."""
    assert told(capsys, code=0)["ring"]["state"] == "not configured"
    monkeypatch.setenv("ARES_OTEL_RECORDER_RING", "/proc/nowhere/ring")
    assert "recorder.ring" in told(capsys, code=1)["ring"]["remedy"]
    monkeypatch.setenv("ARES_OTEL_RECORDER_RING", str(tmp_path / "ring"))
    assert told(capsys, code=0)["ring"]["detail"] == f"{tmp_path / 'ring'}, 16.0 MiB"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    assert told(capsys, code=1)["ring"]["detail"] == f"no room for {tmp_path / 'ring'}"
    (tmp_path / "ring.left-1").write_text("")
    assert "ares-otel spool recover" in told(capsys, code=1)["ring"]["remedy"]


@pytest.mark.usefixtures("stack")
def test_state_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that cannot be written, a disk without room, a spool that fills: each is found; off is not well."""
    monkeypatch.setenv("ARES_OTEL_SPOOL_DIRECTORY", "/proc/nowhere")
    monkeypatch.setenv("ARES_OTEL_LEDGER_DIRECTORY", "/proc/nowhere")
    found = told(capsys, code=1)
    assert "ledger.directory" in found["ledger"]["remedy"]
    assert found["spool"]["state"] == "failed"
    monkeypatch.setenv("ARES_OTEL_LEDGER_ENABLED", "false")
    monkeypatch.setenv("ARES_OTEL_SPOOL_DIRECTORY", str(tmp_path))
    with (tmp_path / "segment").open("wb") as segment:
        segment.truncate(200 << 20)
    found = told(capsys, code=1)
    assert found["ledger"]["state"] == "not configured"
    assert "holds 200.0 MiB of 256.0 MiB" in found["spool"]["detail"]
    assert found["spool"]["remedy"] == "spans are not delivered: see exporter"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 << 30))
    monkeypatch.setenv("ARES_OTEL_SPOOL_CAP_BYTES", "8GiB")
    assert "make room" in told(capsys, code=1)["spool"]["remedy"]
    monkeypatch.setenv("ARES_OTEL_SPOOL_ENABLED", "false")
    assert told(capsys, code=0)["spool"]["state"] == "not configured"


@pytest.mark.usefixtures("stack")
def test_licenses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What an extra brought whose license restricts its use is named, without being a failure."""

    class Told(dict[str, str]):
        def get_all(self, name: str) -> list[str] | None:
            return [self[name]] if name in self else None

    def of(name: str) -> Told:
        if name != "drifter":
            raise metadata.PackageNotFoundError(name)
        return Told({"License": "Business Source License 1.1\nLong text", "Version": "0.13"})

    wanted = ["msgspec>=1", "drifter>=1; extra == 'drift'", "drifter>=1; extra == 'dev'", "gone; extra == 'gone'"]
    monkeypatch.setattr(metadata, "requires", lambda _: wanted)
    monkeypatch.setattr(metadata, "metadata", of)

    found = told(capsys, code=0)

    assert found["license"]["state"] == "note"
    assert "drifter 0.13 (extra drift): Business Source License 1.1;" in found["license"]["detail"]


@pytest.mark.parametrize(("version", "state"), [("0.13.0", "note"), (None, "not configured")])
def test_second_opinion(version: str | None, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has alibi-detect is told its license; whoever has not, how to get it, and the license before that."""

    def of(name: str) -> str:
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", of)
    (found,) = second_opinion()

    assert found.state == state
    assert "Business Source License 1.1" in found.detail
    assert ("commercial license" if version else "ares-otel[drift]") in found.detail


def test_text(stack: FakeStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """For people each state has its mark, and each failure its remedy below it."""
    stack.answers["/readyz"] = (503, "full")
    monkeypatch.setenv("ARES_OTEL_STACK_PARTS", "server,tempo")

    assert main(["doctor"]) == 1

    shown = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(shown) if line.startswith("FAIL  ares server:"))
    assert shown[at + 1].startswith("      → ")
    assert any(line.startswith("ok    Tempo:") for line in shown)
    assert any(line.startswith("-     Loki:") for line in shown)


def test_answers_that_are_none(stack: FakeStack) -> None:
    """No date, no answer, no server: each is a sentence; addresses are shown without what is secret in them."""
    with pytest.raises(TroubleError, match="Connection refused"):
        Web("http://127.0.0.1:9").dated()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        web = Web(f"http://127.0.0.1:{port}")
        web.timeout = 0.01
        with pytest.raises(TroubleError, match="timed out"):
            web.get("/")
    stack.date = NO_DATE
    with pytest.raises(TroubleError, match="without a date"):
        Web(stack.url).dated()
    assert bearer(None) == basic("a", None) == {}
    assert server_of("https://user:secret@[::1]:4318/v1/traces") == "https://[::1]:4318"
