"""Questions to a server over HTTP, whose failures are sentences."""

from __future__ import annotations

import base64
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec

__all__ = ["Dated", "TroubleError", "Web", "basic", "bearer"]

TIMEOUT: Final = 5.0
LONGEST: Final = 1 << 26
SHOWN: Final = 200


class TroubleError(Exception):
    """A server did not answer as it should.

    Attributes:
        status: HTTP status of the answer, 0 if there was none.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Dated(NamedTuple):
    """The `Date` of an answer as Unix time in whole seconds, and our clock before and after."""

    server: float
    before: float
    after: float


class Web:
    """A server by its base URL; proxies of the environment are not for it.

    Args:
        base: URL without the path that is asked for.
        headers: sent with each question; never shown.
        context: whom to trust, for HTTPS.

    Attributes:
        timeout: longest wait for an answer, in seconds.
    """

    def __init__(
        self, base: str, headers: Mapping[str, str] | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        self.base = base.rstrip("/")
        self.timeout = TIMEOUT
        self._headers = dict(headers or {})
        handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, **parameters: str | float) -> bytes:
        """Return the body of an answer.

        Raises:
            TroubleError: there was no answer, or one that is no success.
        """
        query = f"?{urlencode(parameters)}" if parameters else ""
        request = urllib.request.Request(f"{self.base}{path}{query}", headers=self._headers)  # noqa: S310  our scheme
        try:
            with self._opener.open(request, timeout=self.timeout) as answer:
                return bytes(answer.read(LONGEST))
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(SHOWN).decode("utf-8", "replace").strip()
            status = HTTPStatus(error.code).phrase if error.code in set(HTTPStatus) else ""
            raise TroubleError(f"{self.base}{path} answered {error.code} {said or status}", error.code) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise TroubleError(f"{self.base}: {reason}") from None

    def read(self, kind: type[Any], path: str, **parameters: str | float) -> Any:
        """Return an answer in JSON as a declared type.

        Raises:
            TroubleError: there was no answer, or one of another form.
        """
        body = self.get(path, **parameters)
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise TroubleError(f"{self.base}{path} answers something unknown: {error}") from None

    def dated(self) -> Dated:
        """Return what time it is there; any answer says it.

        Raises:
            TroubleError: there was no answer, or one without a date.
        """
        request = urllib.request.Request(f"{self.base}/", method="HEAD")  # noqa: S310  our scheme
        before = time.time()
        try:
            with self._opener.open(request, timeout=self.timeout) as answer:
                date = answer.headers.get("date")
        except urllib.error.HTTPError as error:
            with error:
                date = error.headers.get("date")
        except (OSError, http.client.HTTPException) as error:
            raise TroubleError(f"{self.base}: {getattr(error, 'reason', None) or error}") from None
        try:
            return Dated(parsedate_to_datetime(date or "").timestamp(), before, time.time())
        except ValueError:
            raise TroubleError(f"{self.base} answers without a date") from None


def bearer(file: str | None) -> dict[str, str]:
    """Return the header of a token that a file holds, none without a file.

    Raises:
        TroubleError: it cannot be read.
    """
    return {"Authorization": f"Bearer {_secret(file).split()[0]}"} if file else {}


def basic(user: str, file: str | None) -> dict[str, str]:
    """Return the header of a name and the password that a file holds, none without a file.

    Raises:
        TroubleError: it cannot be read.
    """
    if not file:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{_secret(file)}'.encode()).decode()}"}


def _secret(file: str) -> str:
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise TroubleError(f"{file}: {error}") from None
    if not text:
        raise TroubleError(f"{file} is empty")
    return text
