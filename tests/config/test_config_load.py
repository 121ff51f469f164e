from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import ares_otel.config as package
from ares_otel.config import Config, ConfigError, Exporter, Loaded, Origin, load
from ares_otel.config.problems import LIMIT

Write = Callable[[str | bytes], Path]
HOME = {"HOME": "/home/bot"}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes the configuration file."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "ares.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def told(loaded: Loaded) -> list[tuple[int | None, str, str]]:
    """Return line, key and message of all problems."""
    return [(problem.line, problem.key, problem.message) for problem in loaded.problems]


def test_an_edge_that_cannot_be_watched_is_said_by_its_key(write: Write) -> None:
    """A Sharpe ratio without a volatility, or not above that of a dead edge, is none; so is what is no number."""
    alone = load(write("drift:\n  edge:\n    sharpe: 2\n"), HOME)
    assert told(alone) == [(3, "drift.edge.sharpe", "needs drift.edge.volatility; no edge is watched")]
    dead = load(write("drift:\n  edge: {sharpe: 2, volatility: 0.01, dead: 2}\n"), HOME)
    message = "expected a number above drift.edge.dead, 2, got 2; no edge is watched"
    assert told(dead) == [(2, "drift.edge.sharpe", message)]
    wrong = load(write("drift:\n  edge: {sharpe: high, volatilty: 0.01}\n"), HOME)
    assert [key for _, key, _ in told(wrong)] == ["drift.edge.sharpe", "drift.edge.volatilty"]
    assert {loaded.config.drift.edge.sharpe for loaded in (alone, dead, wrong)} == {None}
    good = load(write("drift:\n  edge: {sharpe: 2, volatility: 0.01, models: [lgbm]}\n"), HOME)
    assert (good.config.drift.edge.sharpe, good.config.drift.edge.models, good.problems) == (2.0, ("lgbm",), [])


def test_without_any_source_all_is_default() -> None:
    """No file, no variable: the defaults, each said to be one, and no problem."""
    loaded = load(environ=HOME)
    assert loaded.problems == []
    assert loaded.path is None
    assert set(loaded.origins.values()) == {Origin()}
    assert loaded.require() is loaded.config
    assert loaded.config.mode == "live"
    assert loaded.config.exporter.url == "http://localhost:4318/v1/traces"
    assert loaded.config.spool.directory == "/home/bot/.local/state/ares-otel/ares-bot/spool"
    assert loaded.config.ledger.directory == "/home/bot/.local/state/ares-otel/ares-bot/ledger"
    assert loaded.config.server.database == "/home/bot/.local/state/ares-otel/ares.db"


def test_the_process_environment_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    """`load()` takes os.environ, and the file from ARES_OTEL_CONFIG."""
    monkeypatch.setenv("ARES_OTEL_CONFIG", str(write("mode: paper")))
    monkeypatch.setenv("ARES_OTEL_METRICS_PORT", "9999")
    loaded = load()
    assert loaded.config.mode == "paper"
    assert loaded.config.metrics.port == 9999
    assert loaded.path == os.environ["ARES_OTEL_CONFIG"]


def test_each_source_outranks_the_one_below(write: Write) -> None:
    """Argument over environment over file over default, and each says where it came from."""
    path = write("metrics:\n  port: 1\n  port_range: 2\n  symbol_limit: 3\n")
    environ = HOME | {"ARES_OTEL_METRICS_PORT": "11", "ARES_OTEL_METRICS_PORT_RANGE": "12"}
    loaded = load(path, environ, {"metrics.port": 21})
    metrics = loaded.config.metrics
    assert (metrics.port, metrics.port_range, metrics.symbol_limit, metrics.feature_limit) == (21, 12, 3, 20)
    assert [
        str(loaded.origins[f"metrics.{name}"]) for name in ("port", "port_range", "symbol_limit", "feature_limit")
    ] == [
        "argument",
        "environment ARES_OTEL_METRICS_PORT_RANGE",
        f"{path}:4",
        "default",
    ]


def test_a_bad_value_falls_back_to_the_source_below(write: Write) -> None:
    """Each bad value is one problem; the next good one below counts."""
    path = write("metrics: {port: 7, symbol_limit: many}")
    loaded = load(path, HOME | {"ARES_OTEL_METRICS_PORT": "x"}, {"metrics.port": "y"})
    assert loaded.config.metrics.port == 7
    assert loaded.config.metrics.symbol_limit == 20
    assert [str(problem) for problem in loaded.problems] == [
        f"{path}:1: metrics.symbol_limit: expected an integer from 1 to 1,000, got 'many'",
        "environment ARES_OTEL_METRICS_PORT: metrics.port: expected an integer from 0 to 65,535, got 'x'",
        "argument: metrics.port: expected an integer from 0 to 65,535, got 'y'",
    ]


def test_unknown_keys_name_the_nearest_known(write: Write) -> None:
    """File, line, key and a proposal; the rest of the file counts."""
    path = write("mode: paper\nmetrics:\n  prot: 1\nexportr:\n  x: 1\nport: 5\ncorrelation.timeout: 5m\nzzzzzz: 1\n")
    loaded = load(path, HOME)
    assert loaded.config.mode == "paper"
    assert loaded.config.correlation.timeout == 300
    assert told(loaded) == [
        (3, "metrics.prot", "unknown key; did you mean metrics.port?"),
        (4, "exportr", "unknown key; did you mean exporter?"),
        (6, "port", "unknown key; did you mean metrics.port or server.port?"),
        (8, "zzzzzz", "unknown key"),
    ]
    assert {problem.file for problem in loaded.problems} == {str(path)}


def test_a_key_that_stands_twice_is_reported(write: Write) -> None:
    """YAML forbids it; the first one is used, whether key, section or member of a map."""
    path = write(
        "mode: paper\nmode: replay\nmetrics: {port: 1}\nmetrics: {port: 2}\nresource_attributes: {a: b, a: c}\n"
    )
    loaded = load(path, HOME)
    assert loaded.config.mode == "paper"
    assert loaded.config.metrics.port == 1
    assert loaded.config.resource_attributes == {}
    assert told(loaded) == [
        (2, "mode", "stands here again; line 1 is used"),
        (4, "metrics", "stands here again; line 3 is used"),
        (5, "resource_attributes", "the same name again in line 5"),
    ]


def test_a_section_that_is_no_map_is_reported_without_its_content(write: Write) -> None:
    """A secret that slipped to the wrong place is not printed; an empty section is none."""
    loaded = load(write("exporter: Bearer SECRET\nmetrics:\nspool: [SECRET]\nledger: ~\n? [a]\n: SECRET\n"), HOME)
    assert told(loaded) == [
        (1, "exporter", "expected a map of keys"),
        (3, "spool", "expected a map of keys"),
        (5, "?", "unknown key"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "not YAML: "),
        ("a: 1\n b: 2", "not YAML: mapping values are not allowed here"),
        ("- a", "expected a map of sections"),
        ("text", "expected a map of sections"),
        ("a: 1\n---\nb: 2", "not YAML: but found another document"),
        ("a: *b", "not YAML: found undefined alias"),
        ("a: \x07", "not YAML: "),
        (b"\xff\xfe\xfa", "cannot be read: not UTF-8: "),
        (b"mode: \xe9", "cannot be read: not UTF-8: "),
        ("[" * 1_000, "not YAML: deeper than 20 levels"),
        ("a: [" + "b," * 30_000 + "]", "not YAML: more than 20000 values"),
        ("#" * ((1 << 20) + 1), "cannot be read: longer than 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_problem(write: Write, content: str | bytes, message: str) -> None:
    """All falls back, nothing is raised, `require` refuses."""
    loaded = load(write(content), HOME)
    assert len(loaded.problems) == 1
    assert loaded.problems[0].message.startswith(message)
    assert loaded.config == load(environ=HOME).config
    with pytest.raises(ConfigError):
        loaded.require()


@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n", "null", b"\xef\xbb\xbfmode: live\n"])
def test_an_empty_file_is_no_problem(write: Write, content: str | bytes) -> None:
    """Nor is a byte order mark."""
    assert load(write(content), HOME).problems == []


def test_a_path_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    """Missing file, directory, pipe that nobody writes to, impossible name, no path at all: none raises or waits."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path / "missing.yaml", tmp_path, pipe, "a\0b"):
        loaded = load(path, HOME)
        assert [problem.message.partition(":")[0] for problem in loaded.problems] == ["cannot be read"]
    strange: object = 5
    loaded = load(strange, HOME)  # type: ignore[arg-type]
    assert [str(problem) for problem in loaded.problems] == ["argument: path: expected a path, got a value of type int"]


def test_aliases_do_not_grow_the_tree(write: Write) -> None:
    """A bomb of aliases is refused where it is used; a plain alias is an ordinary value."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12)
    )
    loaded = load(write(f"{bomb}metrics: {{symbols: *m, host: &host 0.0.0.0}}\nserver: {{host: *host}}\n"), HOME)
    assert loaded.config.server.host == "0.0.0.0"  # noqa: S104  # nothing listens
    assert loaded.config.metrics.symbols == ()
    assert (14, "metrics.symbols", "item 1 is nested deeper than expected") in told(loaded)


def test_a_mapping_that_holds_itself_is_reported(write: Write) -> None:
    """Recursion ends at the keys that are known."""
    loaded = load(write("metrics: &m {port: *m, metrics: *m}\nreport_scheduler: &r {reports: *r, email: *r}"), HOME)
    assert loaded.config.metrics.port == 9464
    assert len(loaded.problems) >= 3


@pytest.mark.parametrize("value", ["!!python/object/apply:os.system ['x']", "!!binary aGk=", "!thing a", "<<"])
def test_other_tags_make_no_objects(write: Write, value: str) -> None:
    """Python objects, binary data, own tags and merge keys are refused as values."""
    loaded = load(write(f"service:\n  name: {value}\n"), HOME)
    assert loaded.config.service.name == "ares-bot"
    assert [problem.line for problem in loaded.problems] == [2]


@pytest.mark.parametrize(
    ("text", "version"), [("1.10", "1.10"), ("0x1f", "0x1f"), ("2026-01-02", "2026-01-02"), ("on", "on")]
)
def test_texts_are_taken_as_they_are_written(write: Write, text: str, version: str) -> None:
    """YAML's own types do not change what a text key is given: version 1.10 stays 1.10."""
    assert load(write(f"service: {{version: {text}}}"), HOME).config.service.version == version


def test_references_are_replaced_from_the_environment(write: Write) -> None:
    """Default, empty default, prefix, escaped dollar, and both quoted and plain."""
    path = write(
        "service:\n"
        "  name: ${BOT}-${ZONE:-eu}\n"
        "  version: ${NONE:-}\n"
        "  environment: '$${HOME} costs $5'\n"
        "metrics: {port: '${env:PORT}', symbols: [\"${A}\", '${NONE:-}']}\n"
        "resource_attributes: {a: '${A}', b: '${NONE:-}'}\n"
    )
    loaded = load(path, HOME | {"BOT": "bot", "PORT": "7", "EMPTY": "", "A": "x"})
    assert loaded.problems == []
    assert loaded.config.service.name == "bot-eu"
    assert loaded.config.service.version is None
    assert loaded.config.service.environment == "${HOME} costs $5"
    assert loaded.config.metrics.port == 7
    assert loaded.config.metrics.symbols == ("x",)
    assert loaded.config.resource_attributes == {"a": "x"}


def test_a_reference_to_nothing_is_a_problem(write: Write) -> None:
    """A variable that is not set or empty, and what is no reference; the key falls back."""
    path = write("service: {name: '${NONE}', namespace: '${EMPTY}', version: '${1}'}\nmetrics: {host: 'a${'}")
    loaded = load(path, HOME | {"EMPTY": ""})
    assert [message for _, _, message in told(loaded)] == [
        "the environment variable NONE is not set; ${NONE:-} allows that",
        "the environment variable EMPTY is not set; ${EMPTY:-} allows that",
        "${ opens no reference such as ${NAME} or ${NAME:-default}; a $ itself is written $$",
        "${ opens no reference such as ${NAME} or ${NAME:-default}; a $ itself is written $$",
    ]
    assert loaded.config == load(environ=HOME).config


def test_null_switches_an_optional_key_off(write: Write) -> None:
    """And is nothing for a key that needs a value."""
    loaded = load(write("recorder: {attribute_length_limit: null}\nmetrics: {port: }"), HOME)
    assert loaded.config.recorder.attribute_length_limit is None
    assert [message for _, _, message in told(loaded)] == ["expected an integer from 0 to 65,535, got nothing"]


def test_arguments_may_be_dotted_or_nested() -> None:
    """None means not given, so that a parser's defaults can be passed on."""
    overrides = {"metrics.port": 0, "spool": {"enabled": False, "cap_bytes": None}, "mode": None, "servise": {}, "x": 1}
    loaded = load(environ=HOME, overrides=overrides)
    assert loaded.config.metrics.port == 0
    assert loaded.config.spool.enabled is False
    assert loaded.config.spool.cap_bytes == 256 << 20
    assert loaded.config.mode == "live"
    assert told(loaded) == [(None, "servise", "unknown key"), (None, "x", "unknown key")]


def test_a_group_inside_a_group(write: Write) -> None:
    """It is read from the file, the environment and arguments; a wrong key in it is named with its whole path."""
    path = write("server:\n  port: 1\n  retention:\n    spans: 3\n    loggs: 2\n  influx: 7\n")
    loaded = load(path, HOME | {"ARES_OTEL_SERVER_RETENTION_LOGS": "5"}, {"server": {"retention": {"equity": 9}}})
    kept = loaded.config.server.retention
    assert (loaded.config.server.port, kept.spans, kept.logs, kept.equity, kept.decisions) == (1, 3, 5, 9, 365)
    assert told(loaded) == [
        (5, "server.retention.loggs", "unknown key; did you mean server.retention.logs?"),
        (6, "server.influx", "expected a map of keys"),
    ]


def test_forwarding_needs_an_http_address(write: Write) -> None:
    """What only gRPC understands is refused, and nothing is forwarded."""
    loaded = load(write("server: {influx: {url: 'influx:8086'}}"), HOME)
    assert loaded.config.server.influx.url is None
    assert [key for _, key, _ in told(loaded)] == ["server.influx.url"]


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_an_endpoint_hides_a_traces_endpoint_of_a_lower_source(write: Write, source: str) -> None:
    """The more exact key wins only within a source, or the higher source would have no effect."""
    path = write("exporter: {traces_endpoint: 'http://low/x', endpoint: 'http://lower'}")
    assert load(path, HOME).config.exporter.url == "http://low/x"
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://high"} if source == "environment" else {}
    overrides = {"exporter.endpoint": "http://high"} if source == "argument" else {}
    assert load(path, HOME | environ, overrides).config.exporter.url == "http://high/v1/traces"
    if source == "argument":
        environ = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://env/x"}
        assert load(path, HOME | environ, overrides).config.exporter.url == "http://high/v1/traces"


def test_a_database_hides_a_database_url_of_a_lower_source(write: Write) -> None:
    """The same for the server's database."""
    path = write("server: {database_url: 'postgresql://h/db'}")
    assert load(path, HOME).config.server.database_url == "postgresql://h/db"
    loaded = load(path, HOME, {"server.database": "/x.db"})
    assert (loaded.config.server.database, loaded.config.server.database_url) == ("/x.db", None)


def test_resource_attributes_of_all_sources_are_joined(write: Write) -> None:
    """Name by name the higher source wins; those with a key of their own go there."""
    path = write(
        "resource_attributes: {team: a, zone: b, service.version: '1', ares.mode: nonsense}\nservice: {version: '2'}"
    )
    environ = HOME | {"OTEL_RESOURCE_ATTRIBUTES": "zone=c,host.name=h,ares.mode=paper,deployment.environment=prod"}
    loaded = load(path, environ)
    assert loaded.config.resource_attributes == {"team": "a", "zone": "c", "host.name": "h"}
    assert loaded.config.service.version == "2"
    assert loaded.config.service.environment == "prod"
    assert loaded.config.mode == "paper"
    assert str(loaded.origins["resource_attributes.team"]) == f"{path}:1"
    assert str(loaded.origins["resource_attributes.zone"]) == "environment OTEL_RESOURCE_ATTRIBUTES"
    assert told(loaded) == [
        (1, "resource_attributes.ares.mode", "expected one of live, paper, backtest, replay, got 'nonsense'")
    ]


@pytest.mark.parametrize(
    ("environ", "base"),
    [
        ({"HOME": "/h"}, "/h/.local/state/ares-otel"),
        ({"HOME": "/h", "XDG_STATE_HOME": "/s"}, "/s/ares-otel"),
        ({"HOME": "/h", "XDG_STATE_HOME": "relative"}, "/h/.local/state/ares-otel"),
        ({"HOME": "relative", "TMPDIR": "/t"}, "/t/.local/state/ares-otel"),
        ({"HOME": "/h", "ARES_OTEL_STATE_DIRECTORY": "~/x"}, "/h/x"),
    ],
)
def test_files_are_kept_below_the_state_directory(environ: dict[str, str], base: str) -> None:
    """As the XDG specification says; never below a relative path that nobody asked for."""
    config = load(environ=environ).config
    assert config.state_directory == base
    assert config.spool.directory == f"{base}/ares-bot/spool"


def test_without_any_home_files_are_kept_in_the_temporary_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user may have no entry in the password file."""

    def fail() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", fail)
    assert load(environ={"TMPDIR": "/t"}).config.state_directory == "/t/.local/state/ares-otel"


def test_services_of_any_name_have_directories_of_their_own() -> None:
    """No name leaves the state directory, and no two names share one."""
    names = ["a/b", "a_b", "../../etc", "..", ".", "ä", "x" * 300, "\udcff", ".hidden", "hidden"]
    found = {load(environ=HOME, overrides={"service.name": name}).config.spool.directory for name in names}
    assert len(found) == len(names)
    for directory in found:
        relative = Path(directory).relative_to("/home/bot/.local/state/ares-otel")
        assert len(relative.parts) == 2
        assert ".." not in relative.parts


def test_grpc_has_its_own_default_port() -> None:
    """Unless an endpoint is given, which is used as it is."""
    grpc = {"exporter.protocol": "grpc"}
    assert load(environ=HOME, overrides=grpc).config.exporter.url == "http://localhost:4317"
    given = grpc | {"exporter.endpoint": "collector:4317"}
    assert load(environ=HOME, overrides=given).config.exporter.url == "collector:4317"


def test_over_http_a_grpc_target_is_refused() -> None:
    """A host and port without scheme is no URL."""
    loaded = load(environ=HOME | {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"})
    assert loaded.config.exporter.url == "http://localhost:4318/v1/traces"
    assert [(str(problem.origin), problem.key) for problem in loaded.problems] == [
        ("environment OTEL_EXPORTER_OTLP_ENDPOINT", "exporter.endpoint")
    ]
    assert loaded.problems[0].message.endswith("a target like this is for exporter.protocol grpc")


@pytest.mark.parametrize(
    ("exporter", "url"),
    [
        (Exporter(endpoint="http://h:1/otlp/"), "http://h:1/otlp/v1/traces"),
        (Exporter(endpoint="http://h:1/otlp?key=a"), "http://h:1/otlp/v1/traces?key=a"),
        (Exporter(traces_endpoint="http://h:1"), "http://h:1/"),
        (Exporter(traces_endpoint="http://h:1/x/"), "http://h:1/x/"),
        (Exporter(protocol="grpc", traces_endpoint="http://h:1"), "http://h:1"),
    ],
)
def test_the_url_for_spans_follows_the_specification(exporter: Exporter, url: str) -> None:
    """Appended to the base and its path; the exact one only gains the root path."""
    assert exporter.url == url


def test_headers_come_from_a_file_too(tmp_path: Path, write: Write) -> None:
    """One a line, colon or equals sign; those given directly win."""
    secrets = tmp_path / "headers"
    secrets.write_text("# comment\n\nAuthorization: Bearer abc=\nx-tenant=7\n")
    loaded = load(write(f"exporter: {{headers: {{X-Tenant: '8'}}, headers_file: {secrets}}}"), HOME)
    assert loaded.problems == []
    assert loaded.config.exporter.headers == {"authorization": "Bearer abc=", "x-tenant": "8"}
    alone = load(write(f"exporter: {{headers_file: {secrets}}}"), HOME)
    assert str(alone.origins["exporter.headers"]) == str(secrets)
    above = load(write(f"exporter: {{headers_file: {secrets}}}"), HOME, {"exporter.headers": {"a": "b"}})
    assert above.config.exporter.headers == {"a": "b"}


@pytest.mark.parametrize(
    "content", [b"SECRET", b"a: SECRET\n\xff", b"a b: SECRET", b"a: SECRET\x07", b"x" * 70_000, None]
)
def test_a_bad_headers_file_is_a_problem_that_shows_nothing(tmp_path: Path, content: bytes | None) -> None:
    """Named by what is wrong and where it is configured."""
    secrets = tmp_path / "headers"
    if content is not None:
        secrets.write_bytes(content)
    loaded = load(environ=HOME | {"ARES_OTEL_EXPORTER_HEADERS_FILE": str(secrets)})
    assert loaded.config.exporter.headers == {}
    assert [problem.key for problem in loaded.problems] == ["exporter.headers_file"]
    assert "SECRET" not in str(loaded.problems)


def test_keys_that_do_not_fit_each_other_are_reported() -> None:
    """A key without certificate, a certificate without TLS, a ratio that nobody asks for."""
    overrides = {"exporter": {"client_key": "/k", "certificate": "/c"}, "sampling.ratio": 0.5}
    loaded = load(environ=HOME, overrides=overrides)
    assert [(problem.key, problem.severity) for problem in loaded.problems] == [
        ("exporter.client_key", "error"),
        ("exporter.certificate", "warning"),
        ("sampling.ratio", "warning"),
    ]
    assert loaded.config.exporter.client_key is None
    fitting = {
        "exporter": {"client_key": "/k", "client_certificate": "/x", "certificate": "/c", "endpoint": "https://h"},
        "sampling": {"ratio": 0.5, "sampler": "traceidratio"},
    }
    assert load(environ=HOME, overrides=fitting).problems == []


def test_problems_are_bounded(write: Write) -> None:
    """A file of the wrong kind does not flood the log."""
    loaded = load(write("".join(f"key{n}: 1\n" for n in range(5_000))), HOME | {"ARES_OTEL_NONSENSE": "1"})
    assert len(loaded.problems) == LIMIT + 1
    assert loaded.problems[-1].message == "more problems than are listed here"


def test_require_lists_all_problems(write: Write) -> None:
    """Doctor and strict mode show everything at once; warnings alone do not fail."""
    loaded = load(write("mode: papre\nml_monitor: {drift_threshold: 0.1}\nsampling: {ratio: 0.5}\n"), HOME)
    with pytest.raises(ConfigError) as caught:
        loaded.require()
    assert caught.value.problems == tuple(loaded.problems)
    assert str(caught.value).startswith("configuration: 2 error(s)\n  error: ")
    assert str(caught.value).count("\n") == 3
    assert "  warning: " in str(caught.value)
    assert load(write("sampling: {ratio: 0.5}"), HOME).require().sampling.ratio == 0.5


def test_a_logged_configuration_shows_no_secret() -> None:
    """`repr` masks headers and passwords in URLs, at any depth; the values stay."""
    overrides = {
        "exporter": {"headers": {"authorization": "SECRET"}, "endpoint": "http://me:SECRET@h/?token=SECRET"},
        "server.database_url": "postgresql://me:SECRET@h/db",
    }
    loaded = load(environ=HOME, overrides=overrides)
    assert "SECRET" not in repr(loaded)
    assert "'authorization': '***'" in repr(loaded.config)
    assert "postgresql://***@h/db" in repr(loaded.config)
    assert loaded.config.exporter.headers == {"authorization": "SECRET"}
    assert "SECRET" not in str(loaded.config.exporter.__rich_repr__())


def test_a_file_name_cannot_forge_lines(tmp_path: Path) -> None:
    """Problems and origins stay on one line whatever a file is called."""
    path = tmp_path / "a\nb.yaml"
    path.write_text("x: 1")
    assert "\n" not in str(load(path, HOME).problems[0])


def test_the_tree_is_frozen() -> None:
    """What was loaded is what runs."""
    with pytest.raises(AttributeError):
        Config().metrics.port = 1  # type: ignore[misc]


def test_the_public_names_exist() -> None:
    """`__all__` is sorted and true."""
    assert sorted(package.__all__) == package.__all__
    assert all(hasattr(package, name) for name in package.__all__)
