from __future__ import annotations

import math
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ares_otel.config.keys import FIELDS
from ares_otel.config.values import Mismatch, Substituted, convert, pairs


def read(key: str, raw: object) -> object:
    """Convert a raw value; nothing may be left out of it."""
    complaints: list[str] = []
    value = convert(FIELDS[key], raw, complaints.append)
    assert not complaints
    return value


def refusal(key: str, raw: object) -> str:
    """Return the message with which a raw value is refused."""
    with pytest.raises(Mismatch) as caught:
        convert(FIELDS[key], raw, lambda _: None)
    return str(caught.value)


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (300, 300.0),
        (0.5, 0.5),
        ("300", 300.0),
        ("300s", 300.0),
        ("5m", 300.0),
        ("500ms", 0.5),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("1d", 86_400.0),
        ("1e2", 100.0),
    ],
)
def test_durations_are_seconds_or_carry_units(raw: object, seconds: float) -> None:
    """A number means seconds; units can be joined as in Go."""
    assert read("correlation.timeout", raw) == pytest.approx(seconds)


@pytest.mark.parametrize("raw", ["5 minutes", "m", "5mm", "m5", "-5s", "1:30", "", "nan", "inf", True, None, [], -1, 0])
def test_what_is_no_duration_is_refused(raw: object) -> None:
    """Words, colons, negative, infinite and zero where time has to pass are refused with the range."""
    assert refusal("correlation.timeout", raw).startswith('expected a duration ("500ms"')


@pytest.mark.parametrize(
    ("raw", "size"),
    [
        (1 << 20, 1 << 20),
        ("1048576", 1 << 20),
        ("64MiB", 64 << 20),
        ("64 mib", 64 << 20),
        ("64Mi", 64 << 20),
        ("64MB", 64_000_000),
        ("1.5GiB", 3 << 29),
        ("100k", 100_000),
        ("100000B", 100_000),
        ("1_000_000", 1_000_000),
        ("1TiB", 1 << 40),
    ],
)
def test_sizes_are_bytes_or_carry_units(raw: object, size: int) -> None:
    """With an i the unit is a power of 1,024, without one of 1,000."""
    assert read("spool.cap_bytes", raw) == size


@pytest.mark.parametrize("raw", ["64MiBs", "MiB", "1e6", "5i", "-1", "2TiB", 10, 1.5, True])
def test_what_is_no_size_is_refused(raw: object) -> None:
    """Unknown units, fractions of bytes and sizes out of range are refused."""
    assert "expected a size" in refusal("spool.cap_bytes", raw)


@given(st.floats(min_value=0.01, max_value=86_400))
def test_duration_texts_mean_the_same_in_every_unit(seconds: float) -> None:
    """Law: n seconds, written in seconds or milliseconds, are the same duration."""
    in_seconds = read("correlation.timeout", f"{seconds:.6f}s")
    assert in_seconds == pytest.approx(read("correlation.timeout", f"{seconds * 1000:.6f}ms"), abs=1e-6)


@given(st.integers(min_value=1, max_value=1 << 14))
def test_binary_sizes_are_exact(mebibytes: int) -> None:
    """Law: n MiB are exactly n * 2**20 bytes."""
    assert read("spool.cap_bytes", f"{mebibytes}MiB") == mebibytes << 20


@pytest.mark.parametrize(
    ("raw", "value"),
    [("true", True), ("YES", True), ("on", True), ("1", True), (True, True), ("False", False), ("0", False)],
)
def test_booleans_have_their_usual_words(raw: object, value: object) -> None:
    """YAML's and the shell's words for true and false are understood."""
    assert read("metrics.enabled", raw) is value


@pytest.mark.parametrize("raw", ["y", "2", 1, None, "", []])
def test_other_words_are_no_booleans(raw: object) -> None:
    """Anything else is refused instead of being taken for true."""
    assert refusal("metrics.enabled", raw).startswith("expected true or false, got ")


@pytest.mark.parametrize(
    ("raw", "shown"), [("x", "'x'"), (70_000, "70000"), (-1, "-1"), (True, "True"), ("1.5", "'1.5'")]
)
def test_a_bad_integer_is_shown_beside_its_range(raw: object, shown: str) -> None:
    """The message names type, range and what was found."""
    assert refusal("metrics.port", raw) == f"expected an integer from 0 to 65,535, got {shown}"


@pytest.mark.parametrize("raw", [10**5_000, "9" * 5_000, 10**400], ids=["number", "text", "float"])
def test_absurd_numbers_are_refused_without_being_printed(raw: object) -> None:
    """A number of thousands of digits neither raises anything else nor floods the log."""
    assert len(refusal("metrics.port", raw)) < 250
    assert len(refusal("correlation.timeout", raw)) < 250


@pytest.mark.parametrize("raw", ["none", "unlimited", "NULL", None])
def test_a_limit_can_be_switched_off(raw: object) -> None:
    """An optional number takes the word none, as a variable has no null."""
    assert read("recorder.attribute_length_limit", raw) is None


@pytest.mark.parametrize("raw", ["nan", "inf", "-inf", math.inf, math.nan, "1.4", -0.1])
def test_a_ratio_is_finite_and_between_0_and_1(raw: object) -> None:
    """NaN and infinity are no ratios."""
    assert "expected a number from 0 to 1" in refusal("sampling.ratio", raw)


def test_choices_are_found_in_any_case() -> None:
    """An enumeration is compared without case and its words are listed when none fits."""
    assert read("mode", "PAPER") == "paper"
    assert refusal("mode", "papre") == "expected one of live, paper, backtest, replay, got 'papre'"
    assert refusal("mode", 1).endswith("got 1")


@pytest.mark.parametrize(
    ("raw", "items"),
    [
        ("BTC/USDT, ETH/USDT,,BTC/USDT", ("BTC/USDT", "ETH/USDT")),
        (["BTC/USDT", "BTC/USDT", "x"], ("BTC/USDT", "x")),
        (("a",), ("a",)),
        ("", ()),
    ],
)
def test_lists_are_sequences_or_texts_with_commas(raw: object, items: tuple[str, ...]) -> None:
    """Order is kept, what stands twice is kept once."""
    assert read("metrics.symbols", raw) == items


@pytest.mark.parametrize("raw", [[1], [""], [None], [["a"]], 5, b"abc", ["a"] * 10_001, {"a": "b"}])
def test_lists_of_other_things_are_refused(raw: object) -> None:
    """Only texts, and not endlessly many."""
    assert "expected a list of texts" in refusal("metrics.symbols", raw)


@pytest.mark.parametrize("raw", [{"a": 1}, {1: "a"}, {"": "a"}, 5, {str(n): "" for n in range(10_001)}, "a", "=b"])
def test_maps_of_other_things_are_refused(raw: object) -> None:
    """Only names with texts, and not endlessly many."""
    assert "expected a map of texts" in refusal("resource_attributes", raw)


def test_header_names_are_lower_case_and_values_stripped() -> None:
    """HTTP does not tell the case of names, gRPC wants them small."""
    assert read("exporter.headers", {"Authorization": " Bearer abc "}) == {"authorization": "Bearer abc"}


@pytest.mark.parametrize(
    "headers", [{"a b": "SECRET"}, {"a": "SECRET\r\nb: c"}, {"a": "SECRET\u00e9"}, {"SECRET": 5}, "SECRET"]
)
def test_bad_headers_are_refused_without_showing_them(headers: object) -> None:
    """Injected lines and impossible characters are refused; the message holds neither value nor name."""
    assert "SECRET" not in refusal("exporter.headers", headers).replace("value of secret", "")


@pytest.mark.parametrize(
    "url", ["http://localhost:4318", "https://h/otlp?x=1", "collector:4317", "[::1]:4317", "dns:///collector:4317"]
)
def test_endpoints_are_urls_or_grpc_targets(url: str) -> None:
    """What gRPC understands is kept; whether it fits the protocol is checked later."""
    assert read("exporter.endpoint", url) == url


@pytest.mark.parametrize(
    "url",
    ["localhost", "ftp://h", "http://", "http://h:99999", "http://h:0", "http://[::1", "http://a b", "http://h\n"],
)
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    """No scheme, no host, no such port, white space."""
    assert "expected an http:// or https:// URL" in refusal("exporter.endpoint", url)


def test_a_password_in_a_bad_url_is_not_shown() -> None:
    """User information and query are masked even where the text is no URL."""
    message = refusal("exporter.endpoint", "ftp://user:pa/ss@host/x?token=abc")
    assert "pa/ss" not in message
    assert "abc" not in message
    assert "host" in message


@pytest.mark.parametrize(("dsn", "good"), [("postgresql://u:p@h/db", True), ("sqlite:///x.db", True), ("x.db", False)])
def test_database_urls_have_a_scheme(dsn: str, *, good: bool) -> None:
    """A path is no database URL."""
    if good:
        assert read("server.database_url", dsn) == dsn
    else:
        assert "expected a database URL" in refusal("server.database_url", dsn)


@pytest.mark.parametrize(("raw", "path"), [("a/b", "a/b"), (Path("a/b"), "a/b")])
def test_paths_are_texts_or_path_objects(raw: object, path: str) -> None:
    """What os.fspath understands is a path."""
    assert read("spool.directory", raw) == path


@pytest.mark.parametrize("raw", ["", "a\0b", 5, "x" * 2_000])
def test_texts_are_not_empty_not_endless_and_hold_no_nul(raw: object) -> None:
    """What no system call takes is no path and no name."""
    assert refusal("spool.directory", raw).startswith("expected a path")
    assert refusal("service.name", raw).startswith("expected a text")


def test_a_value_from_the_environment_is_never_shown() -> None:
    """A reference in a file may hold a secret that stands at the wrong key."""
    assert refusal("metrics.port", Substituted("SECRET")).endswith("got a text from ${…}")
    value = read("service.name", Substituted("bot"))
    assert type(value) is str


def test_detectors_are_known_names_or_classes() -> None:
    """Those of alibi-detect by name, any other by its module; what is neither is refused with its place."""
    assert read("drift.opinions", "KSDrift, river.drift:ADWIN,KSDrift") == ("KSDrift", "river.drift:ADWIN")
    message = refusal("drift.opinions", ["KSDrift", "Nobody"])
    assert "expected a list of detectors such as KSDrift or river.drift:ADWIN" in message
    assert "item 2 is none" in message
    assert "item 1 is none" in refusal("drift.opinions", ["river drift:ADWIN"])


def test_propagators_that_cannot_be_had_are_left_out() -> None:
    """The rest stays; each one left out is named with what to do."""
    complaints: list[str] = []
    value = convert(FIELDS["propagators"], "Baggage,b3,tracecontxt,baggage", complaints.append)
    assert value == ("baggage",)
    assert complaints[0] == "propagator b3 is left out: it needs the package opentelemetry-propagator-b3"
    assert complaints[1].startswith("propagator 'tracecontxt' is unknown and left out; known are b3, ")
    assert read("propagators", "none") == ()
    assert "none of them is known" in refusal("propagators", ["x"])


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5))
def test_pairs_read_what_was_percent_encoded(members: dict[str, str]) -> None:
    """Law: reading undoes percent-encoding, also of commas, equals signs and other alphabets."""
    text = ",".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in members.items())
    assert pairs(text) == members


@pytest.mark.parametrize("text", ["a", "a=b,c", "=b", "a=%ff", "%80=a"])
def test_bad_pairs_are_refused_by_their_place(text: str) -> None:
    """The message names the place of the bad member, not its text."""
    with pytest.raises(Mismatch, match=r"^member [12] is not"):
        pairs(text)
