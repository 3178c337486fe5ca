"""`isthmus keys`: keystore files (web3 secret storage) and devices. A key is never printed, nor given away."""

from __future__ import annotations

from pathlib import Path

import click

from bot.cli.command import Verbs, command
from bot.cli.output import emit
from bot.cli.parameters import opening_secret, passphrase_options, read_passphrase

keys = Verbs(
    "keys",
    verbs={
        "new": ("bot.cli.keys:new", "Make a key in a new keystore."),
        "import": ("bot.cli.keys:import_", "Seal a key that exists into a new keystore."),
        "list": ("bot.cli.keys:list_", "List keystores, without opening them."),
        "rotate": ("bot.cli.keys:rotate", "Put a new key in a keystore's place."),
        "check": ("bot.cli.keys:check", "Open a keystore, or ask a device, and print the address."),
        "remember": ("bot.cli.keys:remember", "Keep a passphrase in the system's keyring."),
    },
    help="Make, import, list, rotate and check keys.",
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


@command(
    "import",
    examples=[
        "isthmus keys import secrets/operator.json --from-file key.hex",
        "isthmus keys import secrets/operator.json --from-keystore geth.json --from-passphrase-file old",
    ],
)
@_FILE
@click.option("--from-file", type=click.Path(path_type=Path), metavar="FILE", help="64 hex digits, mode 0600.")
@click.option("--from-keystore", type=click.Path(path_type=Path), metavar="FILE", help="Another keystore.")
@click.option("--from-passphrase-file", type=click.Path(path_type=Path), metavar="FILE", help="What opens that one.")
@passphrase_options
def import_(
    path: Path,
    from_file: Path | None,
    from_keystore: Path | None,
    from_passphrase_file: Path | None,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Seal a key that exists into a new keystore FILE. It is never an argument, and is not printed."""
    from bot.config.values import read_secret_file
    from bot.keys import import_key, open_keystore, read_secret

    if (from_file is None) == (from_keystore is None):
        raise click.UsageError("say where the key is: --from-file or --from-keystore")
    if from_file is not None:
        secret = read_secret(read_secret_file(from_file))
    else:
        assert from_keystore is not None
        opening = read_passphrase(None, from_passphrase_file, what=str(from_keystore))
        secret = open_keystore(from_keystore, opening)
    passphrase = read_passphrase(passphrase_fd, passphrase_file, what=f"the new keystore {path}", confirm=True)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    address = import_key(path, secret, passphrase)
    if as_json:
        emit({"address": address, "keystore": str(path)})
    else:
        click.echo(f"{address} in {path}\nNow destroy the other copy, if it is readable.")


@command("list", examples=["isthmus keys list", "isthmus keys list secrets"])
@click.argument("folder", type=click.Path(path_type=Path), default=Path("secrets"), metavar="[FOLDER]")
def list_(folder: Path, as_json: bool) -> None:
    """List the keystores in FOLDER, by default `secrets`: whose each is, and what is wrong with it."""
    from bot.keys import list_keystores

    found = list_keystores(folder)
    if as_json:
        emit({"keystores": [{"keystore": str(it.path), "address": it.address, "problem": it.problem} for it in found]})
        return
    for it in found:
        click.echo(f"{it.address or 'no address'} in {it.path}" + (f": {it.problem}" if it.problem else ""))
    if not found:
        click.echo(f"{folder}: no keystores")


@command("rotate", examples=["isthmus keys rotate secrets/operator.json"])
@_FILE
@passphrase_options
def rotate(path: Path, passphrase_fd: int | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Put a new key in keystore FILE, under a passphrase of its own. The old one is kept beside it."""
    from bot.keys import rotate as rotate_keystore

    passphrase = read_passphrase(passphrase_fd, passphrase_file, what=f"the new key in {path}", confirm=True)
    old, new, aside = rotate_keystore(path, passphrase)
    if as_json:
        emit({"address": new, "keystore": str(path), "was": old, "kept": str(aside)})
        return
    click.echo(f"{new} in {path}; {old} is kept in {aside}")
    click.echo("Now deploy an executor that takes orders from the new key, and sweep what the old one holds.")


@command("remember", examples=["isthmus keys remember operator", "isthmus keys remember operator --forget"])
@click.argument("name")
@click.option("--forget", is_flag=True, help="Take it away instead.")
@passphrase_options
def remember(name: str, forget: bool, passphrase_fd: int | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Keep a passphrase in the system's keyring as NAME; `--passphrase-file keyring:NAME` reads it there."""
    from bot import keyrings

    if forget:
        keyrings.forget(name)
    else:
        keyrings.remember(name, read_passphrase(passphrase_fd, passphrase_file, what=name, confirm=True))
    if as_json:
        emit({"name": name, "kept": not forget})
    else:
        click.echo(f"{name} is {'no longer ' if forget else ''}in the keyring")


@command(
    "check",
    examples=[
        "isthmus keys check secrets/operator.json --passphrase-file secrets/passphrase",
        "isthmus keys check kms:/run/kms.sock#alias/isthmus",
    ],
)
@click.argument("place", metavar="FILE")
@passphrase_options
def check(place: str, passphrase_fd: int | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Open keystore FILE with its passphrase, or ask a device (`kms:…`, `pkcs11:…`), and print the key's address.

    `env:NAME` is a key in the environment, which signs on test chains only.
    """
    from bot.keys import check_keystore
    from bot.signer.sources import KeySource, Kind, open_key

    if place.startswith((f"{Kind.KMS}:", f"{Kind.PKCS11}:", f"{Kind.ENVIRONMENT}:")):
        source = KeySource.parse(place)
        secret = opening_secret(source, passphrase_fd, passphrase_file)
        in_environment = source.kind is Kind.ENVIRONMENT
        address = open_key(source, secret.encode(), chain_id=0, test_chain=in_environment).address
    else:
        address = check_keystore(Path(place), read_passphrase(passphrase_fd, passphrase_file, what=place))
    if as_json:
        emit({"address": address, "keystore": place, "ok": True})
    else:
        click.echo(f"{address} in {place}: ok")
