"""The user the signer runs as: one of its own where root starts the bot, the bot's own elsewhere.

Of its own, its key, journal and socket are out of the reach of whatever else runs as the bot does. Three folders meet
its needs: `signer` folders are its own, the kill switch's is shared, and those above may be passed through.
"""

from __future__ import annotations

import os
import pwd
import stat
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.signer.files import OWNER_ONLY, SHARED, SHARED_FOLDER
from bot.signer.switch import GATE, LOCK

NAME = "isthmus-signer"
"""The account that is taken where the system has one of this name and the configuration names none."""

UID = 65_528
"""User and group where there is no such account: in the range that Debian and systemd leave to nobody."""

OWN_FOLDER = 0o2710
"""Mode of a folder of the signer's own: the bot's group may pass through it to the socket, and the socket is its."""

PASSAGE = 0o710
"""Mode of the bot's folders above: the signer's group may pass through, and see nothing."""

_STEPDOWN = Path(__file__).with_name("stepdown.py")


class NoAccount(ValueError):
    """The user that is asked for cannot be the signer's. One line."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its group, by number; `name` where the system has one."""

    uid: int
    gid: int
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.uid})" if self.name else str(self.uid)

    def command(self, program: Sequence[str]) -> tuple[str, ...]:
        """`program` as this user's, for root to start."""
        return (sys.executable, "-I", "-S", str(_STEPDOWN), str(self.uid), str(self.gid), *program)


@dataclass(frozen=True, slots=True)
class Standing:
    """As whom the signer runs: `own`, or as the bot does, because of `why`."""

    own: Account | None
    why: str = ""

    def __str__(self) -> str:
        if self.own is not None:
            return f"runs as user {self.own}, the bot as {os.geteuid()}"
        return f"runs as user {os.geteuid()}, as the bot does: {self.why}"


def standing(wanted: str | None, needed: Iterable[Path]) -> Standing:
    """As whom a signer would run that this process starts: `wanted` is `signer.user`, `needed` where it must get to.

    Raises `NoAccount` when `wanted` cannot be had; without it, whatever is in the way leaves the signer the bot's user.
    """
    try:
        return Standing(_own(wanted, needed))
    except NoAccount as error:
        if wanted is not None:
            raise
        return Standing(None, str(error))


def _own(wanted: str | None, needed: Iterable[Path]) -> Account:
    if sys.platform != "linux":
        raise NoAccount("a signer's own user is for Linux")
    if os.geteuid() != 0:
        asked = f"signer.user is {wanted!r}: " if wanted is not None else ""
        raise NoAccount(f"{asked}only root can give it a user of its own")
    account = _account(wanted)
    code = (Path(__file__), Path(os.__file__), Path(sysconfig.get_paths()["purelib"]))
    for folder in (folder for path in (*code, *needed) for folder in _way_to(path)):
        if not _passes(account, folder):
            raise NoAccount(f"user {account} cannot pass {folder}; run `chmod o+x {folder}`, or name another place")
    return account


def _account(wanted: str | None) -> Account:
    try:
        found = pwd.getpwuid(int(wanted)) if wanted and wanted.isdecimal() else pwd.getpwnam(wanted or NAME)
        account = Account(found.pw_uid, found.pw_gid, found.pw_name)
    except KeyError:
        if wanted is not None and not wanted.isdecimal():
            raise NoAccount(f"signer.user: no user is called {wanted!r}; make it, or leave it out") from None
        number = int(wanted) if wanted is not None else UID
        account = Account(number, number)
    if account.uid == 0 or account.gid == 0:
        raise NoAccount(f"signer.user: {account} is root, or of its group; name another user")
    return account


def _way_to(path: Path) -> Iterator[Path]:
    """The folders that are there on the way to `path`, from the root on."""
    yield from (folder for folder in reversed(path.absolute().resolve().parents) if folder.exists())


def _passes(account: Account, folder: Path) -> bool:
    found = folder.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == account.gid else stat.S_IXOTH))


def let_through(account: Account, *folders: Path) -> None:
    """Let the signer pass through folders of the bot. Raises `OSError`."""
    for folder in folders:
        os.chown(folder, -1, account.gid)
        folder.chmod(PASSAGE)


def settle(account: Account, *, own: Iterable[Path], shared: Path) -> None:
    """Give the folders `own` and all that is in them to `account`, and share the folder `shared`. Raises `OSError`.

    What was made here before by a signer that was no user of its own is handed over with them.
    """
    for folder in own:
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.uid, os.getegid(), follow_symlinks=False)
        folder.chmod(OWN_FOLDER)
    shared.mkdir(parents=True, exist_ok=True)
    for name in (GATE, LOCK):
        (shared / name).touch(OWNER_ONLY)
    for path in (shared, *shared.rglob("*")):
        os.chown(path, -1, account.gid, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(SHARED_FOLDER if path.is_dir() else SHARED)
