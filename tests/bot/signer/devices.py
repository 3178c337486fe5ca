"""A key service of our own, and an HSM in software: what signs beyond the process."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coincurve import PrivateKey

from bot.signer.remote import ORDER

SPKI = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a034200")
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
PIN = "1234"


def der(r: int, s: int) -> bytes:
    def integer(value: int) -> bytes:
        text = value.to_bytes((value.bit_length() + 8) // 8, "big")
        return bytes((2, len(text))) + text

    body = integer(r) + integer(s)
    return bytes((0x30, len(body))) + body


class FakeKeyService:
    """Speaks AWS KMS over a Unix socket. Like the real one it signs with random nonces, and in either form."""

    def __init__(self, path: Path, secret: bytes, key_id: str) -> None:
        self.path = path
        self.key_id = key_id
        self.broken: bytes | None = None
        """What it answers instead, once set."""
        self._key = PrivateKey(secret)
        self._other = PrivateKey(secrets.token_bytes(32))
        self.lies = False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    @contextmanager
    def serving(self) -> Iterator[None]:
        self._listener.bind(str(self.path))
        self._listener.listen()
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(self._answer(self._read(connection)))

    def _read(self, connection: socket.socket) -> tuple[str, dict[str, str]]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        lines = {name.lower(): value for name, _, value in (it.partition(": ") for it in head.decode().split("\r\n"))}
        while len(body) < int(lines["content-length"]):
            body += connection.recv(65536)
        return lines["x-amz-target"].removeprefix("TrentService."), json.loads(body)

    def _answer(self, asked: tuple[str, dict[str, str]]) -> bytes:
        action, body = asked
        if self.broken is not None:
            return self.broken
        if body["KeyId"] != self.key_id:
            return _http(400, {"__type": "NotFoundException", "message": f"Key '{body['KeyId']}' does not exist"})
        if action == "GetPublicKey":
            point = self._key.public_key.format(compressed=False)
            return _http(200, {"PublicKey": base64.b64encode(SPKI + point).decode(), "KeyUsage": "SIGN_VERIFY"})
        assert (body["MessageType"], body["SigningAlgorithm"]) == ("DIGEST", "ECDSA_SHA_256")
        r, s = self._signature(base64.b64decode(body["Message"]))
        return _http(200, {"Signature": base64.b64encode(der(r, s)).decode()})

    def _signature(self, digest: bytes) -> tuple[int, int]:
        key = self._other if self.lies else self._key
        k = int.from_bytes(secrets.token_bytes(32), "big") % ORDER or 1
        r = int.from_bytes(PrivateKey.from_int(k).public_key.format()[1:33], "big") % ORDER
        s = pow(k, -1, ORDER) * (int.from_bytes(digest, "big") + r * int.from_bytes(key.secret, "big")) % ORDER
        return r, s if secrets.randbits(1) else ORDER - s


def _http(status: int, body: dict[str, str]) -> bytes:
    content = json.dumps(body).encode()
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def softhsm() -> str | None:
    """The library of a SoftHSM that is installed, or that `SOFTHSM2_MODULE` names; None without it or its binding."""
    try:
        import pkcs11  # noqa: F401
    except ImportError:
        return None
    named = (os.environ.get("SOFTHSM2_MODULE", ""), *MODULES)
    return next((module for module in named if module and Path(module).is_file()), None)


def new_token(module: str, folder: Path, name: str, label: str) -> None:
    """Make a token, and a key within it that it never gives away. Run once per process: a library has one memory."""
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    util = os.environ.get("SOFTHSM2_UTIL", "softhsm2-util")
    subprocess.run(
        [util, "--module", module, "--init-token", "--free", "--label", name, "--so-pin", PIN, "--pin", PIN],
        check=True,
        capture_output=True,
    )
    with pkcs11.lib(module).get_token(token_label=name).open(user_pin=PIN, rw=True) as session:
        parameters = session.create_domain_parameters(
            pkcs11.KeyType.EC,
            {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("1.3.132.0.10")},
            local=True,
        )
        parameters.generate_keypair(store=True, label=label)
