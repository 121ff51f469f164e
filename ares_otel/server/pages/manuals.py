"""Runbooks: what an alert means and what to do, as pages that need neither a network nor a login."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ares_otel.server.pages.site import Missing, Site

__all__ = ["Manual", "Section", "runbook_moved", "runbook_page", "runbooks_page"]

FOLDER: Final = "runbooks"
HEADING: Final = "h2"
ENDING: Final = ".md"


class Section(msgspec.Struct, frozen=True):
    """What one alert is about; `anchor` is what links to it end with."""

    title: str
    anchor: str


class Manual(msgspec.Struct, frozen=True):
    """A runbook as it is shown."""

    name: str
    title: str
    sections: Sequence[Section]
    text: Markup


async def runbooks_page(site: Site, request: Request) -> Response:
    """List the alerts of all runbooks."""
    del request
    return site.page("runbooks.html", {"at": "", "title": "Runbooks", "asked": "", "manuals": _manuals().values()})


async def runbook_page(site: Site, request: Request) -> Response:
    """Show a runbook."""
    manual = _manuals().get(request.path_params["name"])
    if manual is None:
        raise Missing("There is no runbook of this name; the list is at /runbooks.")
    return site.page("runbook.html", {"at": "", "title": manual.title, "asked": "", "manual": manual})


async def runbook_moved(site: Site, request: Request) -> Response:
    """Lead from a runbook's path in the repository, which alerts name, to its page; browsers keep the section."""
    del site
    return RedirectResponse(f"/{FOLDER}/{request.path_params['name']}", 308)


@cache
def _manuals() -> dict[str, Manual]:
    """Return the runbooks that the package has, by name."""
    found = sorted(files("ares_otel.server.pages").joinpath(FOLDER).iterdir(), key=lambda each: each.name)
    return {
        each.name.removesuffix(ENDING): _manual(each.name.removesuffix(ENDING), each.read_text(encoding="utf-8"))
        for each in found
        if each.name.endswith(ENDING)
    }


def _manual(name: str, text: str) -> Manual:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    title = text.partition("\n")[0]
    sections = []
    for opening, inside in itertools.pairwise(tokens):
        if opening.type == "heading_open" and opening.tag == HEADING:
            sections.append(Section(inside.content, _anchor(inside.content)))
            opening.attrSet("id", sections[-1].anchor)
    html = markdown.renderer.render(_body(tokens), markdown.options, {})
    shown = title.lstrip("# ").removeprefix("Runbook: ")
    return Manual(name, shown[:1].upper() + shown[1:], sections, Markup(html))  # noqa: S704  ours, without HTML in it


def _anchor(heading: str) -> str:
    """Return the anchor that a repository's page gives to a heading of one word."""
    return heading.lower().replace(" ", "-")


def _body(tokens: Sequence[Token]) -> Sequence[Token]:
    """Return a page without its first heading, which is its title."""
    begin = next((at + 1 for at, token in enumerate(tokens) if (token.type, token.tag) == ("heading_close", "h1")), 0)
    return tokens[begin:]
