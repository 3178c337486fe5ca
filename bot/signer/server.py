"""The signer's socket: a Unix socket for one client of the same user. No TCP."""

from __future__ import annotations

import os
import select
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bot.reasons import Reason
from bot.signer.protocol import HEADER_BYTES, Denial, Response, body_length, frame
from bot.signer.wire import InvalidMessage

SEND_TIMEOUT_S = 5.0
RECEIVE_BYTES = 64 * 1024
MAX_PATH_BYTES = 107

_PRIVATE_DIRECTORY = 0o700
_CREDENTIALS = struct.Struct("3i")


class SocketError(RuntimeError):
    """The socket cannot be made, or not safely. One line."""


class Server:
    """Answers frames one at a time. While a client is connected, another is told so and sent away."""

    def __init__(self, path: Path, answer: Callable[[bytes], Response]) -> None:
        self._path = path
        self._answer = answer
        self._client: socket.socket | None = None
        self._received = bytearray()

    @contextmanager
    def listening(self) -> Iterator[socket.socket]:
        """The bound socket, readable by its owner only and gone afterwards. Raises `SocketError`."""
        _check_directory(self._path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            with suppress(FileNotFoundError):
                self._path.unlink()
            try:
                listener.bind(str(self._path))
                self._path.chmod(0o600)
                listener.listen()
            except OSError as error:
                raise SocketError(f"cannot listen on {self._path}: {error.strerror or error}") from None
            try:
                yield listener
            finally:
                self._path.unlink(missing_ok=True)

    def serve(self, listener: socket.socket) -> None:
        """Serve clients until the process is told to end."""
        while True:
            waiting = [listener] if self._client is None else [listener, self._client]
            select.select(waiting, [], [])
            self._hear_client()
            if _readable(listener):
                self._accept(listener)

    def _hear_client(self) -> None:
        while self._client is not None and _readable(self._client):
            if not self._receive(self._client):
                self._client.close()
                self._client = None
                self._received.clear()

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.settimeout(SEND_TIMEOUT_S)
        # A client that reconnects has hung up before, perhaps unheard.
        self._hear_client()
        if _peer_uid(connection) != os.getuid():
            connection.close()
        elif self._client is None:
            self._client = connection
        else:
            with connection:
                _send(connection, Denial(Reason.SIGNER_BUSY, "another client is connected to this signer"))

    def _receive(self, client: socket.socket) -> bool:
        """Take in what has come, and answer each whole frame. False when the connection is over."""
        try:
            data = client.recv(RECEIVE_BYTES)
        except OSError:
            return False
        self._received += data
        return bool(data) and self._answer_frames(client)

    def _answer_frames(self, client: socket.socket) -> bool:
        while len(self._received) >= HEADER_BYTES:
            try:
                end = HEADER_BYTES + body_length(bytes(self._received[:HEADER_BYTES]))
            except InvalidMessage as error:
                # The next frame's beginning is unknown, so the conversation cannot go on.
                _send(client, Denial(Reason.SIGNER_MALFORMED, str(error)))
                return False
            if len(self._received) < end:
                return True
            body = bytes(self._received[HEADER_BYTES:end])
            del self._received[:end]
            if not _send(client, self._answer(body)):
                return False
        return True


def _readable(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


def _send(connection: socket.socket, response: Response) -> bool:
    try:
        connection.sendall(frame(response))
    except OSError:
        return False
    return True


def _peer_uid(connection: socket.socket) -> int:
    """The user at the other end, as the kernel knows it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return int(uid)


def _check_directory(path: Path) -> None:
    directory = path.parent
    try:
        status = directory.stat()
    except OSError as error:
        raise SocketError(f"cannot use {directory}: {error.strerror}") from None
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) != _PRIVATE_DIRECTORY:
        raise SocketError(f"{directory} must be yours alone; run: chmod 700 {directory}")
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise SocketError(f"{path} is longer than the {MAX_PATH_BYTES} bytes a socket's path may have")
