"""What a stranger's web page in the same browser may do here: nothing.

The dashboard only listens on this machine, so its attackers are pages that make the owner's browser knock: through a
host name that resolves to loopback, through a cross-site request, or through text they put into a token's symbol.
`guard` is the one place every request passes; what the one request that does something needs besides is in `stopping`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bot.dashboard import stopping

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


def require_loopback(host: str) -> None:
    """Raises `ValueError` unless `host` is this machine's own address."""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(f"dashboard host {host!r} can be reached from elsewhere; write '127.0.0.1'")


def own_names(port: int) -> frozenset[str]:
    """What a `Host` header may say."""
    names = ("127.0.0.1", "localhost", "[::1]")
    return frozenset(f"{name}:{port}" for name in names) | (frozenset(names) if port == 80 else frozenset())


def guard(port: Callable[[], int]) -> Middleware:
    """Lets through what reads, comes from here and names this machine. `port` is known once the server listens."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or hosts[0].lower() not in own_names(port()):
            raise web.HTTPForbidden(text=f"the dashboard is http://127.0.0.1:{port()}/, also at a tunnel's near end\n")
        stops = request.path == stopping.PATH
        if request.method != ("POST" if stops else "GET"):
            allowed = ["POST" if stops else "GET"]
            raise web.HTTPMethodNotAllowed(request.method, allowed, text="here one can read, and stop\n")
        if request.body_exists and not stops:
            raise web.HTTPRequestEntityTooLarge(max_size=0, actual_size=1, text="a reader sends no body\n")
        if not _same_site(request, own=hosts[0].lower()):
            raise web.HTTPForbidden(text="another site may not use the dashboard\n")
        return await handler(request)

    return check


async def harden(request: web.Request, response: web.StreamResponse) -> None:
    """The headers of every answer; and nothing about the server."""
    response.headers.update(_HEADERS)
    response.headers.popall("Server", None)


def _same_site(request: web.Request, own: str) -> bool:
    """Whether the request comes from the dashboard's own page, from a program, or opens the page itself."""
    origins = request.headers.getall("Origin", [])
    if request.path == "/ws":
        return origins == [f"http://{own}"]
    if any(origin != f"http://{own}" for origin in origins) or (request.path == stopping.PATH and not origins):
        return False
    site = request.headers.get("Sec-Fetch-Site", "none")
    opens_the_page = request.path == "/" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    return site in ("same-origin", "none") or opens_the_page
