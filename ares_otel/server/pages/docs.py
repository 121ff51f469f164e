"""The API for people, from the declarations that make it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from ares_otel.server.api.catalog import ENDPOINTS
from ares_otel.server.api.openapi import document
from ares_otel.server.api.reference import RULES, answer_text, by_tag, paragraph, type_text
from ares_otel.server.pages.site import Site

__all__ = ["DocumentedType", "Operation", "Parameter", "docs_page", "inline"]

CODE: Final = re.compile(r"`([^`]+)`")
STRONG: Final = re.compile(r"\*\*([^*]+)\*\*")
LINK: Final = re.compile(r"\[(\w+)\]\(#(\w+)\)")


class Parameter(msgspec.Struct, frozen=True):
    """A parameter as it is shown."""

    name: str
    place: str
    kind: Markup
    default: str
    about: Markup


class Operation(msgspec.Struct, frozen=True):
    """What can be asked; `address` where it can be tried as it is."""

    method: str
    path: str
    anchor: str
    about: Sequence[Markup]
    parameters: Sequence[Parameter]
    answer: Markup
    address: str | None


class DocumentedType(msgspec.Struct, frozen=True):
    """A type of answers."""

    name: str
    about: Sequence[Markup]
    fields: Sequence[tuple[str, Markup]]


async def docs_page(site: Site, request: Request) -> Response:
    """Show the API."""
    del request
    return site.page("docs.html", {"at": "", "title": "API", "asked": "", **_shown()})


@cache
def _shown() -> Mapping[str, Any]:
    described = document(ENDPOINTS)
    tags = by_tag(described["paths"])
    return {
        "about": _paragraphs(described["info"]["description"]),
        "rules": [inline(" ".join(line.split())) for line in RULES.removeprefix("- ").split("\n- ")],
        "version": described["info"]["version"],
        "tags": {tag: [_operation(*each) for each in operations] for tag, operations in tags.items()},
        "types": [_type(name, schema) for name, schema in sorted(described["components"]["schemas"].items())],
    }


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    parameters = operation["parameters"]
    open_to_all = method == "GET" and not any(each["required"] for each in parameters)
    return Operation(
        method=method,
        path=path,
        anchor=operation["operationId"],
        about=_paragraphs(operation["description"]),
        parameters=tuple(_parameter(each) for each in parameters),
        answer=inline(answer_text(operation["responses"])),
        address=path if open_to_all and "application/json" in operation["responses"]["200"]["content"] else None,
    )


def _parameter(each: Mapping[str, Any]) -> Parameter:
    default = each["schema"].get("default", "required" if each["required"] else "")
    text = str(default).lower() if isinstance(default, bool) else str(default)
    kind = inline(type_text(each["schema"]).replace("\\|", "|"))
    return Parameter(each["name"], each["in"], kind, text, inline(each.get("description", "")))


def _type(name: str, schema: Mapping[str, Any]) -> DocumentedType:
    fields = schema.get("properties", {})
    told = tuple((field, inline(type_text(kind).replace("\\|", "|"))) for field, kind in fields.items())
    return DocumentedType(name, _paragraphs(paragraph(schema.get("description", ""))), told)


def _paragraphs(text: str) -> list[Markup]:
    return [*_each_paragraph(text)]


def _each_paragraph(text: str) -> Iterator[Markup]:
    for block in text.split("\n\n"):
        if block.strip():
            yield inline(" ".join(block.split()))


def inline(text: str) -> Markup:
    """Return a line of Markdown as HTML: code, strong words and links to types, nothing else."""
    safe = LINK.sub(r'<a href="#\2">\1</a>', str(escape(text)))
    safe = STRONG.sub(r"<b>\1</b>", safe)
    return Markup(CODE.sub(r"<code>\1</code>", safe))  # noqa: S704  it is escaped above
