"""Export and import: JSON lines lose nothing, tables have typed columns, bad files are named to the line."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status
from server_kit import content, fresh, put, rows, store_all
from spans import START, Bot, body, event, span

from ares_otel.cli.main import main
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.keep import sinks, sources
from ares_otel.server.keep.columns import rfc3339
from ares_otel.server.keep.exporting import Order, export, table_names
from ares_otel.server.keep.files import FileError
from ares_otel.server.keep.importing import Imported, PartlyImportedError, import_files
from ares_otel.server.keep.notes import remember
from ares_otel.server.keep.sinks import FORMATS, Format
from ares_otel.server.keep.sources import ImportFileError
from ares_otel.server.otlp.decode import decode
from ares_otel.server.store.migrate import DatabaseError
from ares_otel.server.store.store import Store
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.remains import KEPT_SINCE

SECOND = 1_000_000_000


def exported(database: Path, target: Path, **order: Any) -> int:
    """Export to a file."""
    with Reader(database) as reader:
        return export(reader, Order(**order), target)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a database with decisions, orders, outcomes and foreign spans, some of them odd."""
    made, bot = fresh(tmp_path), Bot()
    odd = span(
        "odd ☃ \N{NULL} name",
        {"nan": math.nan, "inf": -math.inf, "big": 2**62, "bytes": b"\0\xff", "none": None, "list": [1, "a", None]},
        trace=b"o" * 16,
        start=START + 5,
    )
    odd.links.add(trace_id=b"l" * 16, span_id=b"l" * 8, trace_state="a=b")
    odd.dropped_attributes_count = 3
    odd.trace_state = "x=y"
    odd.flags = 0x101
    odd.status.code = Status.STATUS_CODE_ERROR
    odd.status.message = "it's \"bad\", isn't it?\n"
    outcome = {a.MODEL_NAME: "forest", a.MODEL_KEY: "k", a.RESULT: "wrong", a.REALIZED_RETURN: -0.1}
    store_all(
        made,
        [[*bot.decision().all, event_span(outcome)] for _ in range(3)],
        [bot.decision(statuses=("new", "rejected")).all, [odd]],
    )
    return made


def event_span(facts: dict[Any, Any]) -> Span:
    """Return an outcome told outside of its decision."""
    return span(s.OUTCOME, facts, trace=b"e" * 16, own=b"e" * 8)


@pytest.mark.parametrize("format_", FORMATS)
def test_there_and_back(database: Path, tmp_path: Path, format_: Format) -> None:
    """Spans of any format make the same database again, and come only once however often they are imported."""
    file, other = tmp_path / f"spans.{format_}", tmp_path / "other.db"
    number = exported(database, file, format=format_)
    before = content(database)

    assert number == len(before["span"])
    assert import_files(other, [file]) == Imported(number, number)
    assert import_files(other, [file, file]) == Imported(2 * number, 0)
    assert without_spans(content(other)) == without_spans(before)
    assert told(other) == told(database)


def without_spans(found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return everything but the bytes of spans, whose fields may come in another order."""
    return {table: [row[:2] for row in rows] if table == "span" else rows for table, rows in found.items()}


def told(database: Path) -> list[bytes]:
    """Return all spans with resource and scope in one canonical spelling."""
    with Reader(database) as reader:
        found = [body_of(resource + frame) for resource, frame in reader.segments()]
    return sorted(each for frame in found for each in frame)


def body_of(frame: bytes) -> list[bytes]:
    """Return each span of a frame with where it came from."""
    message = ResourceSpans.FromString(frame)
    return [
        message.resource.SerializeToString(deterministic=True)
        + scope.scope.SerializeToString(deterministic=True)
        + each.SerializeToString(deterministic=True)
        for scope in message.scope_spans
        for each in scope.spans
    ]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.just(math.nan)  # its sign and payload have no JSON
    | st.text(max_size=8)
    | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=4), st.text(max_size=8), st.sampled_from(FORMATS))
@settings(max_examples=40, deadline=None)
def test_any_attributes_survive(
    tmp_path_factory: pytest.TempPathFactory, facts: dict[str, Any], name: str, format_: Format
) -> None:
    """Law: whatever a span says, it says the same after an export and an import."""
    directory = tmp_path_factory.mktemp("law")
    database, file = fresh(directory), directory / f"x.{format_}"
    store_all(database, [[span(name, facts, events=[event(name, 0, facts)])]])
    exported(database, file, format=format_)
    other = fresh(directory, "other.db")
    import_files(other, [file])

    assert told(other) == told(database)


def test_a_time_range(tmp_path: Path) -> None:
    """The first moment belongs to it, the last does not, whenever the spans arrived; empty traces leave no line."""
    database = fresh(tmp_path)
    store_all(database, [[span(str(at), start=START + at * SECOND, own=bytes([at + 1]) * 8) for at in range(9)]])
    store_all(database, [[span("early", start=START - SECOND, trace=b"x" * 16)]])
    file = tmp_path / "x.jsonl"

    assert exported(database, file, since=START + 2 * SECOND, until=START + 5 * SECOND) == 3
    (line,) = file.read_text().splitlines()
    names = [each["name"] for each in json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]]
    assert names == ["2", "3", "4"]
    assert exported(database, tmp_path / "y.jsonl", until=START) == 1
    assert exported(database, tmp_path / "z.jsonl", since=START + 9 * SECOND) == 0
    assert (tmp_path / "z.jsonl").read_bytes() == b""


def test_columns(database: Path, tmp_path: Path) -> None:
    """Names are texts, times are told twice, numbers are exact, what is unknown is empty."""
    assert exported(database, tmp_path / "d.csv", table="decisions", format="csv") == 4
    with (tmp_path / "d.csv").open(newline="") as file:
        first = next(csv.DictReader(file))

    assert first["time"] == rfc3339(int(first["time_ns"]))
    assert first["time"].startswith("2023-11-14T22:13:20.0000")
    found = (first["strategy"], first["symbol"], first["action"], first["confidence"], first["regime"])
    assert found == ("swing", "NASDAQ", "buy", "0.66", "bull_trend")
    assert len(first["trace"]) == 32
    assert first["decision_id"] == first["trace"][:12] + first["span"]
    assert exported(database, tmp_path / "v.jsonl", table="votes") == 20
    votes = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert [vote["weight"] for vote in votes[:5]] == [0.3, 0.25, 0.2, 0.15, 0.1]
    assert {vote["meta"] for vote in votes} == {False}


@pytest.mark.parametrize("table", table_names())
@pytest.mark.parametrize("format_", FORMATS)
def test_every_table(
    database: Path, tmp_path: Path, table: str, format_: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every table can be exported in every format, in slices, with as many rows as it has."""
    monkeypatch.setattr("ares_otel.server.keep.columns.SLICE", 3)
    monkeypatch.setattr(sinks, "GROUP_ROWS", 2)
    file = tmp_path / f"x.{format_}"
    number = exported(database, file, table=table, format=format_)

    if table != "spans":
        from ares_otel.server.keep.columns import PUBLIC  # noqa: PLC0415

        assert len(content(database)[PUBLIC[table]]) == number
    if format_ == "csv":
        with file.open(newline="") as text:
            assert len(list(csv.reader(text))) == number + 1


def test_parquet_types(database: Path, tmp_path: Path) -> None:
    """Times are timestamps in UTC to the nanosecond, numbers numbers."""
    exported(database, tmp_path / "d.parquet", table="decisions", format="parquet")
    _, parquet = sinks.parquet()
    found = parquet.read_table(tmp_path / "d.parquet")
    types = {field.name: str(field.type) for field in found.schema}

    assert types["time"] == "timestamp[ns, tz=UTC]"
    assert (types["confidence"], types["strategy"], types["rejected"]) == ("double", "string", "int64")
    assert found.column("time").cast("int64").to_pylist() == found.column("time_ns").to_pylist()


def test_without_the_extra(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names it, and no file is left."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(FileError, match=r"pip install 'ares-otel\[parquet\]'"):
        exported(database, tmp_path / "x.parquet", format="parquet")
    assert not (tmp_path / "x.parquet").exists()


# --- rows as spans -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_decisions_from_rows(database: Path, tmp_path: Path, format_: Format) -> None:
    """Rows of decisions make the same rows again, without what they do not say, and none where the spans are."""
    file, other = tmp_path / f"d.{format_}", tmp_path / "other.db"
    exported(database, file, table="decisions", format=format_)
    assert import_files(other, [file], "decisions") == Imported(4, 4)
    assert import_files(other, [file], "decisions") == Imported(4, 0)

    exported(other, tmp_path / f"again.{format_}", table="decisions", format=format_)
    mine, theirs = ({tuple(row[:5]) for row in content(each)["decision"]} for each in (other, database))
    assert mine == theirs
    assert import_files(database, [file], "decisions") == Imported(4, 0)


def test_equity_that_is_there(tmp_path: Path) -> None:
    """Rows that came from spans are known when they come again as rows; where the value differs, they are others."""
    database, file = fresh(tmp_path), tmp_path / "e.csv"
    told_twice = [event(s.EQUITY, START + at, {a.EQUITY: 100.0 + at, a.CURRENCY: "USD"}) for at in range(3)]
    store_all(database, [[span(s.DECISION, {a.STRATEGY: "x"}, events=told_twice)]])
    assert exported(database, file, table="equity", format="csv") == 3

    assert import_files(database, [file], "equity") == Imported(3, 0)
    assert import_files(fresh(tmp_path, "other.db"), [file], "equity") == Imported(3, 3)
    assert content(tmp_path / "other.db")["equity"] == content(database)["equity"]
    file.write_text(file.read_text().replace("101.0", "7.5"))
    assert import_files(database, [file], "equity") == Imported(3, 1)


def test_bars_of_somebody_else(tmp_path: Path) -> None:
    """A CSV file of bars needs no ids."""
    file = tmp_path / "bars.csv"
    lines = [f"{START + at * SECOND},SP500,{100 + at}.5" for at in range(3)]
    file.write_text("time_ns,symbol,close\n" + "\n".join(lines) + "\n")

    assert import_files(tmp_path / "x.db", [file], "bars") == Imported(3, 3)
    assert import_files(tmp_path / "x.db", [file], "bars") == Imported(3, 0)
    found = rows(tmp_path / "x.db", "SELECT n.value, time, close FROM bar JOIN name n ON n.id = symbol ORDER BY time")
    assert found == [("SP500", START + at * SECOND, 100.5 + at) for at in range(3)]


def test_funding_of_somebody_else(tmp_path: Path) -> None:
    """A CSV file of funding needs no ids, and is exported as it was read."""
    file, copy = tmp_path / "funding.csv", tmp_path / "copy.csv"
    file.write_text(f"time_ns,strategy,symbol,currency,amount,kind\n{START},trend,ESZ6,USD,-1.25,interest\n")

    assert import_files(tmp_path / "x.db", [file], "funding") == Imported(1, 1)
    assert exported(tmp_path / "x.db", copy, table="funding", format="csv") == 1
    (found,) = csv.DictReader(copy.read_text().splitlines())
    assert (found["strategy"], found["symbol"], found["currency"]) == ("trend", "ESZ6", "USD")
    assert (found["amount"], found["kind"]) == ("-1.25", "interest")


# --- what is wrong -----------------------------------------------------------------------------------------------

LINE = (
    '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"%s","spanId":"0102030405060708","name":"x",'
    '"startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000000000001"}]}]}]}\n'
)
GOOD = LINE % ("0a" * 16)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("x.jsonl", GOOD + '{"resourceSpans": [', r"x\.jsonl:2: expected an OTLP/JSON object: .*truncated"),
        ("x.jsonl", GOOD + "\n\n[1]\n", r"x\.jsonl:4: expected an OTLP/JSON object with resourceSpans"),
        ("x.jsonl", GOOD + '{"resourceSpans": [{"scopeSpans": 7}]}', r"x\.jsonl:2: expected OTLP/JSON: .*scopeSpans"),
        ("x.jsonl", LINE % "00", r"x\.jsonl:1: expected spans that can be stored, got 1 with a trace id"),
        ("x.txt", GOOD, r"x\.txt: expected a name that ends with \.jsonl, \.csv, \.parquet"),
        ("x.csv", "time_ns,trace,span,price\n1,a,b,1\n", None),
        ("x.csv", "", r"x\.csv:1: expected the columns span, time_ns, trace, too"),
        ("x.csv", "time_ns,trace,span,moon\n", r"x\.csv:1: 'moon': unknown column; expected some of time"),
        ("x.csv", "time_ns,trace,span,span\n", r"x\.csv:1: expected each column once"),
        ("x.csv", "time_ns,trace,span\n1,a\n", r"x\.csv:2: expected 3 cells as in the header, got 2"),
        (
            "x.csv",
            f"time_ns,trace,span\n1,{'0a' * 16},{'0b' * 8}\n1.5,a,b\n",
            r"x\.csv:3: time_ns: expected a whole number, got '1\.5'",
        ),
        ("x.csv", "time_ns,trace,span,error\n1,a,b,yes\n", r"x\.csv:2: error: expected true or false, got 'yes'"),
        ("x.csv", 'time_ns,trace,span\n"1,a,b\n', r"x\.csv:2: expected CSV: unexpected end"),
        ("x.csv", f"time_ns,trace,span\n,{'0a' * 16},{'0b' * 8}\n", r"x\.csv:2: expected a value for 'time_ns'"),
        ("x.parquet", "no", r"x\.parquet: expected a Parquet file"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, text: str, problem: str | None) -> None:
    """File, line, column and what was expected; not even the lines before are stored, nor a database made."""
    (tmp_path / name).write_text(text)
    table = "spans" if name.endswith("jsonl") else "decisions"
    with pytest.raises(ImportFileError, match=problem or r"x\.csv:2: expected spans that can be stored"):
        import_files(tmp_path / "ares.db", [tmp_path / name], table)

    assert not (tmp_path / "ares.db").exists()


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A CSV file has to be UTF-8; a column of JSON has to be JSON; Parquet has to have the types."""
    (tmp_path / "x.csv").write_bytes(b"time_ns,trace,span\n1,\xff,b\n")
    with pytest.raises(ImportFileError, match=r"x\.csv:\d: expected UTF-8"):
        import_files(tmp_path / "ares.db", [tmp_path / "x.csv"], "decisions")
    (tmp_path / "y.csv").write_text("trace_id,span_id,name,time_ns,attributes\na,b,c,1,{\n")
    with pytest.raises(ImportFileError, match=r"y\.csv:2: attributes: expected OTLP/JSON, got '\{'"):
        import_files(tmp_path / "ares.db", [tmp_path / "y.csv"])
    arrow, parquet = sinks.parquet()
    parquet.write_table(arrow.table({"time_ns": ["1"], "trace": ["a"], "span": ["b"]}), tmp_path / "z.parquet")
    with pytest.raises(ImportFileError, match=r"z\.parquet:1: time_ns: expected a whole number, got '1'"):
        import_files(tmp_path / "ares.db", [tmp_path / "z.parquet"], "decisions")
    with pytest.raises(ImportFileError, match=r"none\.csv: cannot be read: No such file"):
        import_files(tmp_path / "ares.db", [tmp_path / "none.csv"])


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by the longest line."""
    monkeypatch.setattr(sources, "LONGEST_LINE", 100)
    (tmp_path / "x.jsonl").write_text("\n" + "x" * 1_000)
    with pytest.raises(ImportFileError, match=r"x\.jsonl:2: expected lines of less than 100 bytes"):
        import_files(tmp_path / "ares.db", [tmp_path / "x.jsonl"])


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("votes", "votes are events of their decision's span"),
        ("hourly", "the server makes these rows from spans"),
        ("moons", "there is no table moons"),
    ],
)
def test_rows_that_are_no_spans(tmp_path: Path, table: str, problem: str) -> None:
    """They are refused with the reason."""
    (tmp_path / "x.csv").write_text("a\n1\n")
    with pytest.raises(ImportFileError, match=problem):
        import_files(tmp_path / "ares.db", [tmp_path / "x.csv"], table)


def test_what_was_pruned_is_not_counted_twice(database: Path, tmp_path: Path) -> None:
    """Where spans went and their rows stayed, they are not taken again."""
    file = tmp_path / "x.jsonl"
    exported(database, file)
    with closing(Store(database)) as store, store.transaction() as db:
        remember(db, KEPT_SINCE, str(START + 3_600 * SECOND))
    with pytest.raises(DatabaseError, match=r"pruned spans from before 2023-11-14T23:13:20\.000000000Z"):
        import_files(database, [file])


def test_a_database_that_fails_half_way(database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says exactly what is stored; repeating it brings the rest."""
    file, other = tmp_path / "x.jsonl", tmp_path / "other.db"
    number = exported(database, file)
    monkeypatch.setattr("ares_otel.server.keep.importing.GROUP_SPANS", 1)
    write, done = Store.write, []

    def full(self: Store, requests: Any) -> int:
        done.append(1)
        if len(done) > 2:
            raise OSError(28, "No space left on device")
        return write(self, requests)

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(PartlyImportedError, match=r"No space left.*all up to .*x\.jsonl:2 is stored, (\d+) new spans"):
        import_files(other, [file])
    monkeypatch.setattr(Store, "write", write)
    stored = len(content(other)["span"])
    assert import_files(other, [file]) == Imported(number, number - stored)
    assert len(content(other)["span"]) == number


# --- commands ----------------------------------------------------------------------------------------------------


def test_commands(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The name of the file says the format; times may be dates; what exists is not replaced."""
    given = ["--database", str(database)]
    file = tmp_path / "x.csv"
    assert (
        main(
            ["export", *given, "--from", "2023-11-14", "--to", "2023-11-14T22:13:20.5Z", str(file), "--table", "orders"]
        )
        == 0
    )
    assert "x.csv: 2 rows" in capsys.readouterr().err
    assert main(["export", *given, str(file)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["export", *given, "--from", str(START), str(tmp_path / "all")]) == 0
    assert "spans" in capsys.readouterr().err
    other = ["--database", str(tmp_path / "other.db")]
    assert main(["import", *other, "--format", "jsonl", str(tmp_path / "all")]) == 0
    assert "of them new" in capsys.readouterr().out
    assert main(["import", *other, str(file), "--table", "orders"]) == 1
    assert "orders cannot be imported from csv" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main(["export", *given, "--from", "yesterday", "-"])
    assert end.value.code == 2
    assert "expected a time such as 2026-11-01" in capsys.readouterr().err
    assert main(["export", "--database", str(tmp_path / "no.db"), "-"]) == 1


def test_a_pipe(database: Path) -> None:
    """`-` writes to standard output, which may end early."""
    command = [sys.executable, "-m", "ares_otel.cli.main", "export", "--database", str(database), "-"]
    made = subprocess.run(command, check=True, capture_output=True)
    decoded = [decode(body([])) for _ in made.stdout.splitlines()]

    assert len(decoded) >= 2
    assert all("resourceSpans" in json.loads(line) for line in made.stdout.splitlines())


@given(st.integers(0, 2**63 - 1))
def test_times(time_ns: int) -> None:
    """Law: RFC 3339 to the nanosecond, as `datetime` has it as far as that goes."""
    from datetime import UTC, datetime  # noqa: PLC0415

    text = rfc3339(time_ns)
    seconds, rest = divmod(time_ns, SECOND)
    assert text.endswith(f".{rest:09d}Z")
    assert text[:19] == datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def test_rows_of_one_moment_are_told_apart(tmp_path: Path) -> None:
    """Two equal rows of CSV are one; rows that differ are two."""
    file = tmp_path / "e.csv"
    file.write_text(f"time_ns,value\n{START},1\n{START},2\n{START},1\n")

    assert import_files(tmp_path / "x.db", [file], "equity") == Imported(3, 2)
    with closing(Store(tmp_path / "x.db")) as store:
        assert put(store, [span("x")]) == 1
