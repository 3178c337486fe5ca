"""A key service behind a Unix socket, in the words of AWS KMS: `GetPublicKey` and `Sign` of a digest.

The signer has no network. An agent on this machine has it, and the credentials: it takes these requests from its
socket, signs them for the service (SigV4) and passes them on. Source: AWS KMS API reference, TrentService.
"""

from __future__ import annotations

import base64
import binascii
import socket
from pathlib import Path
from typing import Any

import orjson

from bot.signer.remote import DeviceError, point_of_spki, read_der

TIMEOUT_S = 4.0
MAX_ANSWER_BYTES = 64 * 1024
_ALGORITHM = "ECDSA_SHA_256"
"""What KMS calls ECDSA over a 32-byte digest, whatever hash made it."""


class KeyService:
    """One key of a service: `key_id` is what the service calls it."""

    def __init__(self, socket_path: Path, key_id: str) -> None:
        self._socket_path = socket_path
        self._key_id = key_id

    def public_key(self) -> bytes:
        """The public point. Raises `DeviceError`."""
        answer = self._ask("GetPublicKey", {"KeyId": self._key_id})
        return point_of_spki(_decoded(answer, "PublicKey"))

    def sign_digest(self, digest: bytes) -> tuple[int, int]:
        """r and s over `digest`. Raises `DeviceError`."""
        answer = self._ask(
            "Sign",
            {
                "KeyId": self._key_id,
                "Message": base64.b64encode(digest).decode(),
                "MessageType": "DIGEST",
                "SigningAlgorithm": _ALGORITHM,
            },
        )
        return read_der(_decoded(answer, "Signature"))

    def _ask(self, action: str, body: dict[str, str]) -> dict[str, Any]:
        content = orjson.dumps(body)
        head = (
            f"POST / HTTP/1.1\r\nHost: kms\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.1\r\n"
            f"X-Amz-Target: TrentService.{action}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        try:
            answer = self._exchange(head.encode() + content)
        except OSError as error:
            raise DeviceError(f"the key service at {self._socket_path} does not answer: {error}") from None
        status, _, rest = answer.partition(b"\r\n")
        _, _, document = rest.partition(b"\r\n\r\n")
        try:
            read = orjson.loads(document)
        except orjson.JSONDecodeError:
            read = None
        if not isinstance(read, dict) or status.split(b" ")[1:2] != [b"200"]:
            said = read.get("message") or read.get("__type") if isinstance(read, dict) else None
            raise DeviceError(f"the key service refuses {action}: {said or status.decode(errors='replace')}")
        return read

    def _exchange(self, request: bytes) -> bytes:
        answer = bytearray()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(self._socket_path))
            connection.sendall(request)
            while chunk := connection.recv(MAX_ANSWER_BYTES):
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES:
                    raise OSError("its answer is too long")
        return bytes(answer)


def _decoded(answer: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(answer[name], validate=True)
    except (KeyError, TypeError, binascii.Error):
        raise DeviceError(f"the key service's answer has no {name}") from None
