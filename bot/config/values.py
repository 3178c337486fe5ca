"""The types configuration values have, each with the refusal that says what to write instead."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from bot.config.errors import shown
from bot.signer.sources import FORMS, InvalidSource, KeySource, Kind
from chains.assets import Address, Amount, InvalidAddress, InvalidAmount, address

ETH_DECIMALS = 18
SAFE_FILE_MODE = 0o600

_MOST = 10**18
_YEAR_S = 366 * 24 * 3_600

AMOUNT_PATTERN = r"^\s*[0-9][0-9._]*(e-?[0-9]+)?\s+[A-Za-z][A-Za-z0-9.]*\s*$"
_SYMBOL = re.compile(r"^[A-Z0-9]+/[A-Z0-9]+(:[A-Z0-9]+)?$")
_TOKEN = re.compile(r"^([A-Za-z][A-Za-z0-9.]*|0x[0-9a-fA-F]{40})$")
_DATABASE = re.compile(r"sqlite:///(.+)|(postgresql)(?:\+[a-z0-9]+)?://.+")
_REFERENCE = re.compile(r"(env):([A-Za-z_][A-Za-z0-9_]*)|(file):(.+)")


class UnreadableSecret(RuntimeError):
    """A secret that a configuration refers to is missing, empty, or readable by others."""


def positive_amount(value: Any) -> Amount:
    """An amount of zero or more, from text such as `5 ETH`. Raises `ValueError` with the remedy."""
    example = "write a positive amount such as '5 ETH'"
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not an amount; {example}, in quotes and with its unit")
    try:
        amount = Amount.parse(value)
    except InvalidAmount:
        raise ValueError(f"{shown(value)} is not an amount; {example}") from None
    if amount.value < 0:
        raise ValueError(f"negative amount {shown(value)}; {example}")
    return amount


def _eth_amount(value: Any) -> Amount:
    amount = positive_amount(value)
    if amount.unit.upper() != "ETH":
        raise ValueError(f"unit {amount.unit!r} in {shown(value)}; budgets are counted in ETH, such as '5 ETH'")
    try:
        amount.units(ETH_DECIMALS)
    except InvalidAmount:
        raise ValueError(f"{shown(value)} is finer than a wei; write at most {ETH_DECIMALS} decimals") from None
    return amount


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"expected a number, got {shown(value)}")
    number = Decimal(value)
    if not number.is_finite() or number < 0:
        raise ValueError(f"{shown(value)} is not allowed; write a number of zero or more")
    if number > _MOST:
        raise ValueError(f"{shown(value)} is not allowed; write a number below {_MOST:.0e}")
    return number


def _seconds(value: Any) -> float:
    number = _decimal(value)
    if number > _YEAR_S:
        raise ValueError(f"{shown(value)} is not allowed; write at most {_YEAR_S}, the seconds of a year")
    return float(number)


def _positive(value: Any) -> Decimal:
    number = _decimal(value)
    if not number:
        raise ValueError(f"{shown(value)} is not allowed; write a number above zero")
    return number


def _positive_seconds(value: Any) -> float:
    seconds = _seconds(value)
    if not seconds:
        raise ValueError(f"{shown(value)} is not allowed; write a number above zero")
    return seconds


def _symbol(value: Any) -> str:
    if not isinstance(value, str) or not _SYMBOL.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a symbol; write base and quote as ccxt does, such as 'ETH/USDT'")
    return value


def _token_name(value: Any) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a token; write its symbol, such as 'WETH', or its 0x address")
    return _address(value) if value.startswith("0x") else value


def _address(value: Any) -> Address:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not an address; write 0x and 40 hex digits, in quotes")
    try:
        return address(value)
    except InvalidAddress as error:
        raise ValueError(f"{error}; copy the address again from where it was deployed") from None


def _loopback(value: Any) -> str:
    if value == "localhost":
        return str(value)
    try:
        if ipaddress.ip_address(value).is_loopback:
            return str(value)
    except ValueError:
        pass
    raise ValueError(f"{shown(value)} is not this machine; the page has no login yet, so write '127.0.0.1'")


def _resolved(value: Any, info: ValidationInfo) -> Path:
    """A path, relative ones from the folder of the file they are written in."""
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError(f"{shown(value)} is not a path; write one in quotes")
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / Path(value).expanduser()


@dataclass(frozen=True, slots=True)
class Reference:
    """A value kept outside the configuration: `env:NAME` or `file:PATH`. Only `read` ever sees it."""

    kind: str
    target: str

    def read(self) -> str:
        """The value itself. Raises `UnreadableSecret`."""
        if self.kind == "env":
            value = os.environ.get(self.target, "")
            if not value:
                raise UnreadableSecret(f"the environment variable {self.target} is not set; export it before starting")
            return value
        return read_secret_file(Path(self.target))

    def __str__(self) -> str:
        return f"{self.kind}:{self.target}"


def read_secret_file(path: Path) -> str:
    """The first line of a file nobody else may read. Raises `UnreadableSecret`."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            value = file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise UnreadableSecret(f"{path}: {reason}; write the secret into that file") from None
    if mode & ~SAFE_FILE_MODE:
        raise UnreadableSecret(f"{path}: others may read it (mode {mode:04o}); run `chmod 600 {path}`")
    if not value:
        raise UnreadableSecret(f"{path}: its first line is empty; write the secret there")
    return value


def _reference(value: Any, info: ValidationInfo) -> Reference:
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError("secrets are not written here; write 'env:NAME' or 'file:PATH', which say where it is kept")
    if match[1]:
        return Reference("env", match[2])
    return Reference("file", str(_resolved(match[4], info)))


def _url(*schemes: str) -> Callable[[Any, ValidationInfo], str | Reference]:
    example = f"{schemes[0]}://127.0.0.1:8545"

    def check(value: Any, info: ValidationInfo) -> str | Reference:
        if isinstance(value, str) and _REFERENCE.fullmatch(value):
            return _reference(value, info)
        try:
            parts = urlsplit(value) if isinstance(value, str) else None
            usable = parts and parts.scheme in schemes and parts.hostname and (parts.port or 1)
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f"{shown(value)} is not a {'/'.join(schemes)} URL; write one such as '{example}'")
        return str(value)

    return check


def _endpoint_url(value: Any, info: ValidationInfo) -> str | Reference:
    """A node's address: a URL, or the path of its Unix socket, relative to the file it is written in."""
    if isinstance(value, str) and value.endswith(".ipc") and not _REFERENCE.fullmatch(value):
        path = value.removeprefix("ipc://")
        if "://" not in path:
            return f"ipc://{_resolved(path, info).absolute()}"
    return _url("ws", "wss", "http", "https")(value, info)


def _exchange_url(value: Any, info: ValidationInfo) -> Any:
    """One of ccxt's URLs, or a table of them."""
    if isinstance(value, dict):
        return {key: _exchange_url(inner, info) for key, inner in value.items()}
    return _url("https", "http", "wss", "ws")(value, info)


def _database_url(value: Any, info: ValidationInfo) -> str | Reference:
    """SQLAlchemy's URL; a relative SQLite path counts from the folder of the file it is written in."""
    if isinstance(value, str) and _REFERENCE.fullmatch(value):
        return _reference(value, info)
    match = _DATABASE.fullmatch(value) if isinstance(value, str) else None
    try:
        password = match and match[2] and urlsplit(str(value)).password
    except ValueError:
        match = None
    if not match:
        raise ValueError(f"{shown(value)} is not a database; write 'sqlite:///var/ledger.sqlite3' or 'postgresql://…'")
    if password:
        raise ValueError("a password does not belong here; write 'env:NAME' and keep the URL in that variable")
    return f"sqlite:///{_resolved(match[1], info)}" if match[1] else str(value)


_REFERENCE_SCHEMA = {"type": "string", "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"}

AnyAmount = Annotated[
    Amount,
    PlainValidator(positive_amount),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": AMOUNT_PATTERN}),
]
EthAmount = Annotated[
    Amount,
    PlainValidator(_eth_amount),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": AMOUNT_PATTERN}),
]
Number = Annotated[
    Decimal,
    PlainValidator(_decimal),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": 0}),
]
Seconds = Annotated[float, PlainValidator(_seconds), WithJsonSchema({"type": "number", "minimum": 0})]
PositiveNumber = Annotated[
    Decimal,
    PlainValidator(_positive),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
PositiveSeconds = Annotated[
    float, PlainValidator(_positive_seconds), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})
]
Symbol = Annotated[str, PlainValidator(_symbol), WithJsonSchema({"type": "string", "pattern": _SYMBOL.pattern})]
TokenName = Annotated[str, PlainValidator(_token_name), WithJsonSchema({"type": "string", "pattern": _TOKEN.pattern})]
ChainAddress = Annotated[
    Address,
    PlainValidator(_address),
    WithJsonSchema({"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"}),
]
LoopbackHost = Annotated[str, PlainValidator(_loopback), WithJsonSchema({"type": "string"})]
Port = Annotated[int, Field(ge=0, le=65535)]
FilePath = Annotated[Path, PlainValidator(_resolved), PlainSerializer(str), WithJsonSchema({"type": "string"})]
SecretReference = Annotated[
    Reference, PlainValidator(_reference), PlainSerializer(str), WithJsonSchema(_REFERENCE_SCHEMA)
]
EndpointUrl = Annotated[
    str | Reference, PlainValidator(_endpoint_url), PlainSerializer(str), WithJsonSchema({"type": "string"})
]
RelayUrl = Annotated[
    str | Reference,
    PlainValidator(_url("https", "http")),
    PlainSerializer(str),
    WithJsonSchema({"type": "string"}),
]
ExchangeUrl = Annotated[
    Any, PlainValidator(_exchange_url), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]})
]
DatabaseUrl = Annotated[
    str | Reference, PlainValidator(_database_url), PlainSerializer(str), WithJsonSchema({"type": "string"})
]


def _key_place(value: Any, info: ValidationInfo) -> KeySource:
    """Where a hot key is kept that is in no keystore; a relative socket or library counts from the file's folder."""
    try:
        source = KeySource.parse(value) if isinstance(value, str) else None
    except InvalidSource as error:
        raise ValueError(str(error)) from None
    if source is None or source.kind is Kind.KEYSTORE:
        raise ValueError(f"{shown(value)} is no place for a key; a keystore's file belongs into signer.keystore")
    if source.kind is Kind.ENVIRONMENT:
        return source
    return replace(source, place=str(_resolved(source.place, info).absolute()))


def _any_key_place(value: Any, info: ValidationInfo) -> KeySource:
    """A keystore's file, or where else a key is kept that is not itself the secret which opens it."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{shown(value)} is no place for a key; write a keystore's file, {FORMS}")
    file = value.removeprefix(f"{Kind.KEYSTORE}:")
    kind, colon, _ = file.partition(":")
    if not colon or kind not in Kind.__members__.values():
        return KeySource(Kind.KEYSTORE, str(_resolved(file, info).absolute()))
    source = _key_place(value, info)
    if source.kind is Kind.ENVIRONMENT:
        raise ValueError("a key in the environment opens no others with it; keep further keys in keystores or devices")
    return source


AnyKeyPlace = Annotated[
    KeySource, PlainValidator(_any_key_place), PlainSerializer(str), WithJsonSchema({"type": "string"})
]
KeyPlace = Annotated[KeySource, PlainValidator(_key_place), PlainSerializer(str), WithJsonSchema({"type": "string"})]


def plain(url: str | Reference) -> str:
    """The URL itself, wherever it is kept. Raises `UnreadableSecret`."""
    return url if isinstance(url, str) else url.read()
