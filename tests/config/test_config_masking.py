"""One table of what is secret, for what is printed and for what is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ares_otel.config import load, render
from ares_otel.config.keys import FIELDS
from ares_otel.config.masking import MASK, WORDS, Redactor, is_secret

HOME = {"HOME": "/"}
SECRET = "Zq9-secretvalue-77"
NOT_SECRETS = {"exporter.client_key", "logs.client_key", "server.key"}
"""Paths of files, which are shown."""


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("form", ["{}: {}", "{}={}", '"{}": "{}"', "my_{}_2 = {}", "?{}={}&x=1", "X-{}:{}"])
@pytest.mark.parametrize("shape", ["-", "_", "", "."])
def test_what_stands_under_a_secret_name_is_hidden(word: str, form: str, shape: str) -> None:
    """In any of the ways in which names and values are written; what stands beside it stays."""
    name = word.replace(" ", shape)
    for written in (name, name.upper(), name.title()):
        hidden = Redactor().text(f"before, {form.format(written, SECRET)}; after")
        assert SECRET not in hidden
        assert hidden.startswith("before, ")
        assert hidden.endswith("; after")
        assert is_secret(written)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://joe:pass@host/x?y=1", "https://***@host/x?y=1"),
        ("postgresql+psycopg://joe:p%40ss@host/db", "postgresql+psycopg://***@host/db"),
        ("sent Bearer abc.def-1 to it", "sent Bearer *** to it"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ***"),
        ("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln b", "a *** b"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----!", "***!"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE cut off", "***"),
        ("key AKIAIOSFODNN7EXAMPLE", "key ***"),
        ("xoxb-1234567890-abcdef ghp_abcdefghijklmnop1234", "*** ***"),
        ("https://hooks.slack.com/services/T0/B0/XX said 404", "https://hooks.slack.com/*** said 404"),
        ("/bot123456789:AAabcdefghijklmnopqrstuvwxyz0123456/", "/bot123456789:AAabcdefghijklmnopqrstuvwxyz0123456/"),
        ("bot 123456789:AAabcdefghijklmnopqrstuvwxyz0123456", "bot ***"),
        ("basic understanding, the token expired, 3 buy and 2 sell", None),
        ("order ETHUSDT filled at 3,031.50: https://host/path@v2", None),
    ],
)
def test_what_is_secret_by_its_form(text: str, expected: str | None) -> None:
    """It is hidden wherever it stands, and no more than it."""
    assert Redactor().text(text) == (text if expected is None else expected)


def test_known_secrets_are_hidden_anywhere() -> None:
    """Also in the middle of a word; a short one is not looked for, and the longer of two goes first."""
    hide = Redactor(["abcdef", "abcdefgh", "abc"])

    assert hide.text("xabcdefghx abc abcdef") == f"x{MASK}x abc {MASK}"


def test_values_are_searched_through() -> None:
    """In maps and lists, by name and by form, to a depth; flags and numbers that say whether stay."""
    given = {
        "fine": 1,
        "inner": [{"password": SECRET, "name": "joe"}, f"token={SECRET}"],
        "has_token": True,
        "api_key": 17,
        "none": None,
    }

    found = Redactor().value("extra", given)

    assert found == {
        "fine": 1,
        "inner": [{"password": MASK, "name": "joe"}, f"token={MASK}"],
        "has_token": True,
        "api_key": MASK,
        "none": None,
    }


def test_configuration_uses_the_same_table() -> None:
    """A resource attribute of a secret name, and one that holds a secret by its form, are not printed."""
    loaded = load(environ=HOME, overrides={"resource_attributes": {"api.key": SECRET, "at": f"http://u:{SECRET}@h"}})

    assert SECRET not in render(loaded)
    assert SECRET not in render(loaded, format="json")
    assert SECRET not in repr(loaded.config)


def test_every_key_of_a_secret_name_is_declared_so() -> None:
    """A key whose name is secret by the table is masked as a whole, or is the path of a file."""
    shown = {key for key, field in FIELDS.items() if is_secret(key.rpartition(".")[2]) and not field.secret}

    assert {key for key in shown if FIELDS[key].kind != "path"} - NOT_SECRETS == set()


@given(st.text(alphabet="ab:=\"'\\ tokensecret-_.@/", max_size=400))
def test_any_text_is_taken(text: str) -> None:
    """Hiding twice hides no more, and nothing raises."""
    once = Redactor().text(text)

    assert Redactor().text(once) == once


@pytest.mark.parametrize("unit", ["token", "secret: '", "a://", "eyJaaaaaaaa.", "api key =", "-----BEGIN PRIVATE KEY"])
def test_no_text_takes_long(unit: str) -> None:
    """What nearly fits a form again and again is done within the time of a test, which it is not if that is squared."""
    assert Redactor().text(unit * 100_000)
