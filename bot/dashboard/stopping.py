"""The one thing the page may do: stop. Going on is for the command line, where it is asked why.

Who may is told by a session, begun by opening the page: its cookie goes with requests of the page's own only, and what
the page read over it comes back in a header, which no other site can read or send.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import orjson
from aiohttp import web

from bot.clock import Clock
from bot.dashboard.wire import encoded, printable

PATH, SESSION_PATH = "/api/stop", "/api/session"
TOKEN_HEADER = "X-Isthmus-Token"  # noqa: S105 - a name
MOST_BYTES = 1024
MOST_A_MINUTE = 30

_COOKIE = "isthmus_session"
_MOST_SESSIONS = 64
_IDLE_S, _LONGEST_S = 30 * 60, 12 * 3600
_MOST_REASON = 200


class Stop(Protocol):
    """Halts `strategy`, or all where it is empty: now, or once what is open is covered or taken back."""

    def __call__(self, strategy: str, because: str, *, flatten: bool) -> str:
        """What the switch says then. Raises `UnknownStrategy`, `StopFailed`."""
        ...


class UnknownStrategy(LookupError):
    """No strategy of that name trades here."""


class StopFailed(RuntimeError):
    """The switch could not be set. One line."""


@dataclass(slots=True)
class _Session:
    token: str
    begun_s: float
    used_s: float


class Sessions:
    """Of the pages that were opened, the newest. Kept in memory: none outlives the run."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._known: OrderedDict[str, _Session] = OrderedDict()

    def begin(self) -> str:
        """A new session's name, of 256 bits."""
        name, now_s = secrets.token_urlsafe(32), self._now_s()
        self._known[name] = _Session(secrets.token_urlsafe(32), now_s, now_s)
        while len(self._known) > _MOST_SESSIONS:
            self._known.popitem(last=False)
        return name

    def token(self, name: str | None) -> str | None:
        """What the page of that session must send along; None where there is no such session any more."""
        found, now_s = self._known.get(name or ""), self._now_s()
        if found is None or now_s - found.used_s > _IDLE_S or now_s - found.begun_s > _LONGEST_S:
            return None
        found.used_s = now_s
        return found.token


class StopDesk:
    """Takes the page's wish to stop, and says no to everybody else's."""

    def __init__(self, stop: Stop, clock: Clock) -> None:
        self._stop = stop
        self._now_s: Callable[[], float] = lambda: clock.monotonic_ns() / 1e9
        self._sessions = Sessions(self._now_s)
        self._asked_s: deque[float] = deque(maxlen=MOST_A_MINUTE)

    async def session(self, request: web.Request) -> web.Response:
        """The token of the page's session; begins one where there is none."""
        name = request.cookies.get(_COOKIE)
        token, begun = self._sessions.token(name), None
        if token is None:
            begun = self._sessions.begin()
            token = self._sessions.token(begun)
        answer = _json({"token": token})
        if begun is not None:
            answer.set_cookie(_COOKIE, begun, httponly=True, samesite="Strict", path="/api", max_age=_LONGEST_S)
        return answer

    async def stop(self, request: web.Request) -> web.Response:
        """`{"strategy": "" for all, "because": text, "flatten": bool}`; what the switch says then."""
        self._count()
        token = self._sessions.token(request.cookies.get(_COOKIE))
        said = request.headers.get(TOKEN_HEADER, "")
        if token is None or not hmac.compare_digest(token.encode(), said.encode()):
            raise web.HTTPForbidden(text="this page's session is over; load the page again\n")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="the wish to stop is application/json\n")
        strategy, because, flatten = _wish(await request.read())
        try:
            return _json({"switch": self._stop(strategy, because, flatten=flatten)})
        except UnknownStrategy:
            raise web.HTTPNotFound(text=f"no strategy {strategy!r} trades here\n") from None
        except StopFailed as error:
            raise web.HTTPServiceUnavailable(text=f"{error}; send the signer SIGUSR1, or end the bot\n") from None

    def _count(self) -> None:
        now_s = self._now_s()
        if len(self._asked_s) == MOST_A_MINUTE and now_s - self._asked_s[0] < 60:
            raise web.HTTPTooManyRequests(text=f"more than {MOST_A_MINUTE} wishes a minute\n")
        self._asked_s.append(now_s)


def _wish(body: bytes) -> tuple[str, str, bool]:
    """Raises `HTTPBadRequest`."""
    try:
        document = orjson.loads(body)
        strategy, because, flatten = document["strategy"], document["because"], document["flatten"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise web.HTTPBadRequest(text="a wish to stop names strategy, because and flatten\n") from None
    if not (isinstance(strategy, str) and isinstance(because, str) and isinstance(flatten, bool)):
        raise web.HTTPBadRequest(text="strategy and because are text, flatten is true or false\n")
    reason = printable(because).strip()
    if len(document) != 3 or len(reason) > _MOST_REASON:
        raise web.HTTPBadRequest(text=f"three fields, and at most {_MOST_REASON} letters why\n")
    return strategy, reason or "a person said so", flatten


def _json(document: object) -> web.Response:
    return web.Response(body=encoded(document), content_type="application/json")
