"""The signer's socket: a Unix socket for one client of the user who started it, and for some who look. No TCP."""

from __future__ import annotations

import os
import select
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bot.reasons import Reason
from bot.signer.protocol import HEADER_BYTES, Denial, Response, body_length, frame
from bot.signer.wire import InvalidMessage

SEND_TIMEOUT_S = 5.0
RECEIVE_BYTES = 64 * 1024
MAX_PATH_BYTES = 107
MAX_CLIENTS = 4

_FOLDERS = (0o700, 0o2710)
_SOCKETS = (0o600, 0o660)
"""Modes, where the signer is its client's user, and where it is one of its own: then the folder's group may connect."""

_CREDENTIALS = struct.Struct("3i")


class SocketError(RuntimeError):
    """The socket cannot be made, or not safely. One line."""


@dataclass(slots=True)
class _Conversation:
    """One client and what it has said so far. `observes`: it may ask how the signer is, and nothing else, as long as
    another is there that may have things signed.
    """

    connection: socket.socket
    observes: bool
    received: bytearray = field(default_factory=bytearray)


class Server:
    """Answers frames one at a time. One client may have things signed; others, meanwhile, may ask how it is."""

    def __init__(self, path: Path, answer: Callable[[bytes, bool], Response], client: int) -> None:
        """`answer` is told whether who asks may only observe; `client` is the user who may connect at all."""
        self._path = path
        self._answer = answer
        self._client = client
        self._clients: list[_Conversation] = []
        self._heed: Callable[[], None] = lambda: None

    @contextmanager
    def listening(self) -> Iterator[socket.socket]:
        """The bound socket, open to its client's user only and gone afterwards. Raises `SocketError`."""
        apart = self._client != os.getuid()
        _check_directory(self._path, _FOLDERS[apart])
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            with suppress(FileNotFoundError):
                self._path.unlink()
            try:
                listener.bind(str(self._path))
                self._path.chmod(_SOCKETS[apart])
                listener.listen()
            except OSError as error:
                raise SocketError(f"cannot listen on {self._path}: {error.strerror or error}") from None
            try:
                yield listener
            finally:
                self._path.unlink(missing_ok=True)

    def serve(self, listener: socket.socket, woken: socket.socket, on_signal: Callable[[bytes], None]) -> None:
        """Serve clients until the process is told to end. What `woken` says, the numbers of signals, is passed on."""

        def heed() -> None:
            if _readable(woken):
                on_signal(woken.recv(RECEIVE_BYTES))

        self._heed = heed
        while True:
            waiting = [listener, woken, *(client.connection for client in self._clients)]
            select.select(waiting, [], [])
            heed()
            self._hear_clients()
            if _readable(listener):
                self._accept(listener)

    def _hear_clients(self) -> None:
        for client in list(self._clients):
            while _readable(client.connection):
                if not self._receive(client):
                    client.connection.close()
                    self._clients.remove(client)
                    break

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.settimeout(SEND_TIMEOUT_S)
        # A client that reconnects has hung up before, perhaps unheard.
        self._hear_clients()
        if _peer_uid(connection) != self._client:
            connection.close()
        elif len(self._clients) < MAX_CLIENTS:
            signs = any(not client.observes for client in self._clients)
            self._clients.append(_Conversation(connection, observes=signs))
        else:
            with connection:
                _send(connection, Denial(Reason.SIGNER_BUSY, f"{MAX_CLIENTS} clients are connected to this signer"))

    def _receive(self, client: _Conversation) -> bool:
        """Take in what has come, and answer each whole frame. False when the connection is over."""
        try:
            data = client.connection.recv(RECEIVE_BYTES)
        except OSError:
            return False
        client.received += data
        return bool(data) and self._answer_frames(client)

    def _answer_frames(self, client: _Conversation) -> bool:
        received = client.received
        # Who only looked may have come first: once it has gone, its place is free.
        client.observes = client.observes and any(not other.observes for other in self._clients)
        while len(received) >= HEADER_BYTES:
            try:
                end = HEADER_BYTES + body_length(bytes(received[:HEADER_BYTES]))
            except InvalidMessage as error:
                # The next frame's beginning is unknown, so the conversation cannot go on.
                _send(client.connection, Denial(Reason.SIGNER_MALFORMED, str(error)))
                return False
            if len(received) < end:
                return True
            body = bytes(received[HEADER_BYTES:end])
            del received[:end]
            # A client that never stops asking must not keep a halt from being heard.
            self._heed()
            if not _send(client.connection, self._answer(body, client.observes)):
                return False
        return True


def _readable(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


def _send(connection: socket.socket, response: Response) -> bool:
    try:
        connection.sendall(_framed(response))
    except OSError:
        return False
    return True


def _framed(response: Response) -> bytes:
    """As `frame`; what is too long to be told, such as the echo of a wrong request, is denied in few words."""
    try:
        return frame(response)
    except InvalidMessage as error:
        reason = response.reason if isinstance(response, Denial) else Reason.SIGNER_INTERNAL
        return frame(Denial(reason, f"the answer is too long to be told: {error}"))


def _peer_uid(connection: socket.socket) -> int:
    """The user at the other end, as the kernel knows it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return int(uid)


def _check_directory(path: Path, mode: int) -> None:
    directory = path.parent
    try:
        status = directory.stat()
    except OSError as error:
        raise SocketError(f"cannot use {directory}: {error.strerror}") from None
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) != mode:
        raise SocketError(f"{directory} must be yours alone; run: chmod {mode:o} {directory}")
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise SocketError(f"{path} is longer than the {MAX_PATH_BYTES} bytes a socket's path may have")
