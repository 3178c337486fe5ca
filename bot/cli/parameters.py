"""Option types and options that several commands share."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from bot.signer.sources import KeySource
    from chains.networks import Network

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

KEYRING = "keyring:"
"""Before the name of a secret in the operating system's keyring, where a file could be named as well."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_WEI_PER_GWEI = 10**9
_TOO_MANY_WEI = 2**256
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}


class Duration(click.ParamType[float]):
    """`90s`, `500ms`, `2m`, `1h`: seconds as a float, above zero."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value).strip())
        seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
        if seconds <= 0:
            self.fail(f"{value!r} is not a duration; write one such as 60s, 5m or 1h", param, ctx)
        return seconds


DURATION = Duration()


class GasPrice(click.ParamType[int]):
    """What a unit of gas costs: written in gwei, as wei."""

    name = "gwei"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            wei = Decimal(str(value)) * _WEI_PER_GWEI
        except InvalidOperation:
            wei = Decimal("NaN")
        if not wei.is_finite() or wei < 0:
            self.fail(f"{value!r} is not a number of 0 or more", param, ctx)
        if wei >= _TOO_MANY_WEI:
            self.fail(f"{value!r} is more than a chain can charge; write gwei, such as 20", param, ctx)
        return int(wei)


GAS_PRICE = GasPrice()


class Said(click.ParamType[str]):
    """A person's words, which are kept: a terminal may send bytes that are no text, and they must stop nobody."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return " ".join(str(value).encode(errors="replace").decode().split())


SAID = Said()


class Because(Said):
    """A person's reason: not empty."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not (reason := super().convert(value, param, ctx)):
            self.fail("it is empty; say why, for whoever reads it later", param, ctx)
        return reason


BECAUSE = Because()


class ChainAddress(click.ParamType[str]):
    """An address on a chain, checksummed."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from chains.assets import InvalidAddress, address

        try:
            return address(str(value))
        except InvalidAddress as error:
            self.fail(str(error), param, ctx)


ADDRESS = ChainAddress()


class Venue(ChainAddress):
    """A pool's address, checksummed, or its 32-byte id inside a contract that holds many, in lower case."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if re.fullmatch(r"0x[0-9a-fA-F]{64}", str(value)):
            return str(value).lower()
        return super().convert(value, param, ctx)


VENUE = Venue()


class NodeUrl(click.ParamType[str]):
    """Where a node answers: a URL, or `ipc://` before the path of its socket."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        try:
            parts = urlsplit(text)
            served = parts.scheme in ("http", "https", "ws", "wss") and bool(parts.hostname) and parts.port != 0
            usable = served or (parts.scheme == "ipc" and bool(parts.path))
        except ValueError:  # a port or an address that is none
            usable = False
        if not usable:
            self.fail(f"{text!r} is not a node's URL; write one such as http://127.0.0.1:8545", param, ctx)
        return text


NODE_URL = NodeUrl()


def config_option(command: Decorated) -> Decorated:
    """`--config`: the run file; left out, `isthmus.toml` here, or else the built-in twin."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The run file. Left out: isthmus.toml here or, without one, the built-in twin.",
    )(command)


def family_file_option(command: Decorated) -> Decorated:
    """`--family-file`: pool families from outside the package, one Python file each."""
    return click.option(
        "--family-file",
        "family_files",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A Python file that adds a pool family (docs/add-a-pool.md); may be repeated.",
    )(command)


def store_option(command: Decorated) -> Decorated:
    """`--store`: the pools that discovery keeps, instead of the list that comes with Isthmus."""
    return click.option(
        "--store",
        metavar="URL",
        help="The pools that `isthmus discover` keeps in this database, a URL or an SQLite file.",
    )(command)


def node_options(command: Decorated) -> Decorated:
    """`--node` and `--network`: a node to read from, and what network it must be on, as `network_named` takes it."""
    command = click.option(
        "--network", metavar="NAME", help="The node's network, or a .toml file. [the run file's, else ethereum]"
    )(command)
    return click.option("--node", type=NODE_URL, metavar="URL", help="The node to read from, http or ws.")(command)


def network_named(name: str | None, config_path: Path | None = None) -> Network:
    """The network of that name; left out, the run file's, and without a run file Ethereum."""
    from bot.config.load import load
    from chains.networks import load_network

    config = found_config(config_path)
    return load(config).network if name is None and config is not None else load_network(name or "ethereum")


def node_url(url: str | None) -> str:
    """The node that was named. Raises `click.UsageError`."""
    if url is None:
        raise click.UsageError("no source; give --node URL")
    return url


def passphrase_options(command: Decorated) -> Decorated:
    """`--passphrase-fd` and `--passphrase-file`; never an argument or a variable, which others could read."""
    command = click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read the keystore's passphrase from a file that only you can read, or keyring:NAME.",
    )(command)
    return click.option(
        "--passphrase-fd", type=click.IntRange(min=0), metavar="N", help="Read it from an open file descriptor."
    )(command)


def opening_secret(source: KeySource, fd: int | None, file: Path | None) -> str:
    """What opens the key at `source`: a PIN, or, on test chains, the variable that is the key. A key service asks none.

    Raises `click.UsageError`.
    """
    from bot.config.values import Reference
    from bot.signer.sources import Kind

    if source.kind is Kind.KMS:
        return ""
    if source.kind is Kind.ENVIRONMENT:
        return Reference("env", source.place).read()
    return read_passphrase(fd, file, what=str(source))


def found_config(path: Path | None) -> Path | None:
    """The run file to use; None means the built-in twin."""
    from bot.config.load import DEFAULT_FILE

    if path is None and DEFAULT_FILE.is_file():
        return DEFAULT_FILE
    return path


def read_passphrase(fd: int | None, file: Path | None, *, what: str, confirm: bool = False) -> str:
    """The passphrase from where the options say, or asked for on the terminal. Raises `click.UsageError`."""
    if fd is not None and file is not None:
        raise click.UsageError("--passphrase-fd and --passphrase-file exclude each other")
    if file is not None and str(file).startswith(KEYRING):
        from bot.keyrings import remembered

        return remembered(str(file).removeprefix(KEYRING))
    if file is not None:
        from bot.config.values import read_secret_file

        return read_secret_file(file)
    if fd is not None:
        return _from_descriptor(fd)
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError(f"no passphrase for {what}; give --passphrase-file or --passphrase-fd")
    answer: str = click.prompt(f"Passphrase for {what}", hide_input=True, confirmation_prompt=confirm, err=True)
    return answer


def _from_descriptor(fd: int) -> str:
    try:
        with os.fdopen(fd, encoding="utf-8", closefd=False) as file:
            passphrase = file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise click.UsageError(
            f"file descriptor {fd} cannot be read; open it, as in `{fd}<secrets/passphrase`"
        ) from None
    if not passphrase:
        raise click.UsageError(f"file descriptor {fd} is empty; write the passphrase as its first line")
    return passphrase
