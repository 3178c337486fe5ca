"""`isthmus keys`: keystore files (web3 secret storage). A key is never printed and never leaves its file."""

from __future__ import annotations

from pathlib import Path

import click

from bot.cli.command import Verbs, command
from bot.cli.output import emit
from bot.cli.parameters import passphrase_options, read_passphrase

keys = Verbs(
    "keys",
    verbs={
        "new": ("bot.cli.keys:new", "Make a key in a new keystore."),
        "check": ("bot.cli.keys:check", "Open a keystore and print its address."),
    },
    help="Make and check keystores.",
)

_FILE = click.argument("path", type=click.Path(path_type=Path), metavar="FILE")


@command("new", examples=["isthmus keys new secrets/operator.json"])
@_FILE
@passphrase_options
def new(path: Path, passphrase_fd: int | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Make a key, seal it with a passphrase into FILE (mode 0600) and print its address. Never overwrites."""
    from bot.keys import new_keystore

    passphrase = read_passphrase(passphrase_fd, passphrase_file, what=f"the new keystore {path}", confirm=True)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    address = new_keystore(path, passphrase)
    if as_json:
        emit({"address": address, "keystore": str(path)})
    else:
        click.echo(
            f"{address} in {path}\nKeep a copy of the file and of its passphrase, apart: neither can be restored."
        )


@command("check", examples=["isthmus keys check secrets/operator.json --passphrase-file secrets/passphrase"])
@_FILE
@passphrase_options
def check(path: Path, passphrase_fd: int | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Open FILE with its passphrase and print the address of the key inside."""
    from bot.keys import check_keystore

    address = check_keystore(path, read_passphrase(passphrase_fd, passphrase_file, what=str(path)))
    if as_json:
        emit({"address": address, "keystore": str(path), "ok": True})
    else:
        click.echo(f"{address} in {path}: ok")
