"""What a stranger's page in the same browser may do to the dashboard: nothing."""

from __future__ import annotations

import pytest

from bot.dashboard.app import DashboardUnavailable
from tests.bot.dashboard.samples import SampleRun
from tests.bot.dashboard.serving import ROUTES, Served, dashboard_of

CROSS_SITE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}


@pytest.mark.parametrize("path", ROUTES)
async def test_every_route_answers_by_loopback_names_only(served: Served, path: str) -> None:
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert await served.status(path, headers={"Host": f"{name}:{served.port}"}) == 200
    for host in (
        "evil.example",
        f"evil.example:{served.port}",
        "127.0.0.1",
        "127.0.0.1:1",
        f"localhost.evil.example:{served.port}",
        f"127.0.0.1.nip.io:{served.port}",
        f"0.0.0.0:{served.port}",
    ):
        assert await served.status(path, headers={"Host": host}) == 403, host


async def test_a_request_without_or_with_two_host_names_is_refused(served: Served) -> None:
    assert " 403 " in (await served.raw("GET /api/state HTTP/1.0\r\n\r\n")).splitlines()[0]
    twice = await served.raw(f"GET /api/state HTTP/1.1\r\nHost: {served.own}\r\nHost: evil.example\r\n\r\n")
    assert " 40" in twice.splitlines()[0]


@pytest.mark.parametrize("path", [*ROUTES, "/ws", "/nowhere"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"])
async def test_nothing_but_reading_is_possible(served: Served, path: str, method: str) -> None:
    assert await served.status(path, method) == 405


@pytest.mark.parametrize("path", ROUTES)
async def test_a_request_with_a_body_is_refused(served: Served, path: str) -> None:
    assert await served.status(path, data=b"x" * 100_000) == 413


@pytest.mark.parametrize("path", [path for path in ROUTES if path != "/"])
async def test_another_site_may_not_load_anything(served: Served, path: str) -> None:
    assert await served.status(path, headers=CROSS_SITE) == 403
    assert await served.status(path, headers={"Origin": "https://evil.example"}) == 403
    assert await served.status(path, headers={"Origin": "null"}) == 403
    assert await served.status(path, headers={"Sec-Fetch-Site": "same-site"}) == 403
    assert await served.status(path, headers={"Origin": served.url, "Sec-Fetch-Site": "same-origin"}) == 200


async def test_a_link_from_elsewhere_may_open_the_page_but_not_embed_it(served: Served) -> None:
    assert await served.status("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}) == 200
    assert await served.status("/", headers=CROSS_SITE) == 403


async def test_the_live_feed_opens_for_the_own_page_only(served: Served) -> None:
    assert await served.handshake(Origin=served.url) == 101
    assert await served.handshake(Origin=f"http://localhost:{served.port}", Host=f"localhost:{served.port}") == 101
    assert await served.handshake() == 403
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{served.port + 1}", f"https://{served.own}"):
        assert await served.handshake(Origin=origin) == 403, origin
    assert await served.handshake(Origin=f"http://localhost:{served.port}") == 403
    assert await served.handshake(Origin="http://evil.example", Host="evil.example") == 403


@pytest.mark.parametrize("path", [*ROUTES, "/nowhere", "/api/decision/9999"])
async def test_every_answer_carries_the_protective_headers_and_no_version(served: Served, path: str) -> None:
    headers = await served.headers(path)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http:" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers
    assert "Access-Control-Allow-Origin" not in headers


async def test_a_refused_request_carries_them_too(served: Served) -> None:
    headers = await served.headers("/api/state", Host="evil.example")
    assert headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert "Server" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/vendor/../../../app.py",
        "/static//etc/passwd",
        "/static/vendor/package.json",
        "/static/index.html",
        "/node_modules/uplot/package.json",
    ],
)
async def test_only_listed_files_exist(served: Served, path: str) -> None:
    answer = await served.raw(f"GET {path} HTTP/1.1\r\nHost: {served.own}\r\nConnection: close\r\n\r\n")
    assert " 404 " in answer.splitlines()[0]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_it_listens_on_this_machine_only(run: SampleRun, host: str) -> None:
    with pytest.raises(ValueError, match=r"write '127\.0\.0\.1'"):
        dashboard_of(run, host=host)


async def test_a_taken_port_is_one_clear_line(served: Served, run: SampleRun) -> None:
    with pytest.raises(DashboardUnavailable, match=rf"cannot listen on 127\.0\.0\.1:{served.port} .*dashboard\.port"):
        await dashboard_of(run, port=served.port).start()
