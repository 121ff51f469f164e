"""The API's description, OpenAPI 3.1, from the endpoints that are declared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Final

import msgspec

from ares_otel.server.api.beyond import operations
from ares_otel.server.api.beyond import schemas as schemas_of_stream
from ares_otel.server.api.endpoint import Endpoint
from ares_otel.server.api.problems import MEDIA_TYPE, Problem
from ares_otel.server.api.shapes import shape

__all__ = ["BASE", "document", "parameters"]

BASE: Final = "/api/v1"
REFERENCE: Final = "#/components/schemas/{name}"
PAGE: Final = re.compile(rb"Page_(\w+?)_(?=\")")
ABOUT: Final = """\
What the ares server has stored, for programs. Every path answers below `/api` as well as below `/api/v1`. Times are
RFC 3339 in UTC, durations seconds unless a name says `_ms`, ratios 0 to 1, sums of money decimal texts. What is
not known is null; a statistic says how many observations it rests on (`n`), its interval, and why it is absent."""

FAILURES: Final = {
    "400": "a parameter is unknown or not what was expected",
    "404": "what was asked for is not stored",
    "503": "the database cannot answer now, or it took longer than it may",
}


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the OpenAPI document."""
    answers = [shape(endpoint.answer) for endpoint in endpoints]
    schemas, components = msgspec.json.schema_components([*answers, Problem], ref_template=REFERENCE)
    paths = {
        BASE + endpoint.path: {"get": _operation(endpoint, schema)}
        for endpoint, schema in zip(endpoints, schemas, strict=False)
    }
    failures = {status: _failure(text) for status, text in FAILURES.items()}
    paths |= {BASE + path: item for path, item in operations(failures).items()}
    found = {
        "openapi": "3.1.0",
        "info": {"title": "ares server", "version": metadata.version("ares-otel"), "description": ABOUT},
        "paths": paths,
        "components": {"schemas": components | schemas_of_stream()},
    }
    # what msgspec calls Page_Order_, for Page[Order], reads better as OrderPage
    return dict(msgspec.json.decode(PAGE.sub(rb"\1Page", msgspec.json.encode(found))))


def _operation(endpoint: Endpoint, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": endpoint.about,
        "parameters": parameters(endpoint),
        "responses": {
            "200": {
                "description": "the answer",
                "headers": {"ETag": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": schema}},
            },
            "304": {"description": "it is still what `If-None-Match` names"},
            **{status: _failure(text) for status, text in FAILURES.items()},
        },
    }


def _failure(text: str) -> dict[str, Any]:
    return {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(name="Problem")}}}}


def parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    """Return the parameters of an endpoint as OpenAPI describes them."""
    found = []
    for field in msgspec.structs.fields(endpoint.asked):
        schema = dict(_schema(field.type))
        in_path = field.encode_name in endpoint.places
        about = schema.pop("description", None)
        if not field.required and field.default is not None:
            schema["default"] = field.default
        found.append(
            {
                "name": field.encode_name,
                "in": "path" if in_path else "query",
                "required": in_path or field.required,
                **({"description": about} if about else {}),
                "schema": schema,
            }
        )
    return found


def _schema(kind: Any) -> Mapping[str, Any]:
    """Return the schema of a parameter; absent is the only null that a URL can say."""
    schema = dict(msgspec.json.schema(kind))
    if "anyOf" in schema:
        (one,) = (part for part in schema["anyOf"] if part != {"type": "null"})
        schema = {**{key: value for key, value in schema.items() if key != "anyOf"}, **one}
    return schema
