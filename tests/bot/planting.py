"""Secrets to be looked for afterwards, and a provider that says everything it was told back to whoever asks.

A bad provider puts the key of a request into its error, its page or its headers; what the bot makes of that must not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

PASSPHRASE = "planted-Passphrase-7Qx2mVb9"
WRONG_PASSPHRASE = "planted-Wrong-3Hd8Lk1Ws0"
RAW_KEY = "5e1f00d15ea5eb0b5c0ffee0123456789abcdef0fedcba98765432100badcafe"
RPC_KEY = "plantedRpcKey4Tz6Yp8Rn2Cj5"
API_KEY = "plantedApiKey9Gf3Hs7Dk1Lm4Xq6"
API_SECRET = "plantedApiSecret2Wv8Bn5Zc1Jt7"

PLANTED: Mapping[str, str] = {
    "the keystore's passphrase": PASSPHRASE,
    "a passphrase that opens nothing": WRONG_PASSPHRASE,
    "a raw key": RAW_KEY,
    "the key in a node's URL": RPC_KEY,
    "an exchange's API key": API_KEY,
    "an exchange's secret": API_SECRET,
}

_MARKETS = {
    "symbols": [
        {
            "symbol": "ETHUSDT",
            "status": "TRADING",
            "baseAsset": "ETH",
            "quoteAsset": "USDT",
            "isSpotTradingAllowed": True,
            "permissionSets": [["SPOT"]],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0.0001", "maxQty": "9000", "stepSize": "0.0001"},
            ],
        }
    ]
}


@dataclass
class Provider:
    """Tells what can be traded, and the time; fails every other request in the way that is set, repeating all of it."""

    url: str
    way: str = "json"
    asked: list[str] = field(default_factory=list)


@contextmanager
def provider() -> Iterator[Provider]:
    """One that listens on the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode(errors="replace")
            told = f"{self.command} {self.path} {dict(self.headers)} {body}"
            found.asked.append(told)
            if self.path.startswith("/api/v3/exchangeInfo"):
                status, answer = 200, json.dumps(_MARKETS).encode()
            elif self.path.startswith("/api/v3/time"):
                status, answer = 200, json.dumps({"serverTime": time.time_ns() // 10**6}).encode()
            else:
                status, answer = _answer(found.way, told, body)
            self.send_response(status, told.partition("\n")[0][:200])
            self.send_header("content-length", str(len(answer)))
            self.send_header("x-request", self.path)
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_PUT = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Provider(f"http://127.0.0.1:{server.server_address[1]}")
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield found
        finally:
            server.shutdown()


def _answer(way: str, told: str, body: str) -> tuple[int, bytes]:
    if way == "rpc":
        asked = json.loads(body) if body.startswith(("{", "[")) else {}
        one = asked[0] if isinstance(asked, list) else asked
        error = {"jsonrpc": "2.0", "id": one.get("id"), "error": {"code": -32000, "message": f"bad key: {told}"}}
        return 200, json.dumps([error] if isinstance(asked, list) else error).encode()
    if way == "html":
        return 500, f"<html><body>{told}</body></html>".encode()
    return 401, json.dumps({"code": -2015, "msg": f"Invalid API-key: {told}"}).encode()


def leaks(text: str) -> set[str]:
    """Which of the planted secrets are in `text`, in any case and with or without 0x."""
    lowered = text.lower()
    return {name for name, secret in PLANTED.items() if secret.lower() in lowered}


def leaks_below(folder: Path, kept: frozenset[Path]) -> dict[str, set[str]]:
    """Which are in which file under `folder`, those in which they were planted apart."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path not in kept)
    return {str(path): found for path in files if (found := leaks(path.read_bytes().decode(errors="replace")))}
