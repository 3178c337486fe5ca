"""Any pool's state as JSON values and back, by the type hints of its family's class: a new family needs nothing here.

Integers are decimal strings, because most JSON readers lose digits beyond 2⁵³. Tokens are written as references into
the document's table. Reading is strict: every field, no other field, and the class's own checks.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
from collections.abc import Callable, Mapping, Set
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from chains.assets import Address, InvalidAddress, Token, address
from chains.pools.pool import PoolError
from chains.snapshot.errors import MissingField, UnknownField, WrongValue

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_MAX_DIGITS = 100
"""More than any contract's integer has; it keeps a hostile file from costing minutes."""

_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")
_KIND = "type"

_State = TypeVar("_State")

Tokens = Mapping[str, Token]
"""The document's tokens by their references."""


def reference(token: Token) -> str:
    """How a document refers to `token`."""
    return f"{token.place}:{token.address}"


def encode(value: Any) -> Any:
    """`value`, a pool or a part of one, as JSON values. Raises `TypeError` for what has no form in a snapshot."""
    if value is None or isinstance(value, bool) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Token):
        return reference(value)
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return {_key(key): encode(value[key]) for key in sorted(value)}
    if _is_record(type(value)):
        return {name: encode(item) for name, item in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in _fields(type(value))} | _kind_of(value)
    raise TypeError(f"{type(value).__name__} has no form in a snapshot")


def tokens_in(value: Any) -> set[Token]:
    """Every token that `value`, a pool or a part of one, names."""
    if isinstance(value, Token):
        return {value}
    if isinstance(value, Mapping):
        return set().union(*map(tokens_in, value.values()))
    if isinstance(value, tuple | list):
        return set().union(*map(tokens_in, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return set().union(*(tokens_in(getattr(value, field.name)) for field in _fields(type(value))))
    return set()


def decode(raw: Any, into: type[_State], tokens: Tokens, where: str) -> _State:
    """The state of class `into` that `raw` tells. `where` names its place in the document, for errors.

    Raises `MissingField`, `UnknownField`, `WrongValue`.
    """
    kind: Any = into
    fields = _names(kind)
    given = require_object(raw, where)
    require_fields(given, fields, where, optional={_KIND})
    hints = _hints(kind)
    values = {name: _value(given[name], hints[name], tokens, f"{where}.{name}") for name in fields}
    try:
        return into(**values)
    except (PoolError, ValueError, ArithmeticError) as error:
        raise WrongValue(f"{where}: {error}") from error


def require_object(raw: Any, where: str) -> dict[str, Any]:
    """`raw` as a JSON object. Raises `WrongValue`."""
    if not isinstance(raw, dict):
        raise WrongValue(f"{where}: {_shown(raw)} is not an object")
    return raw


def require_fields(given: Mapping[str, Any], fields: Set[str], where: str, optional: Set[str] = frozenset()) -> None:
    """Raises `MissingField` and `UnknownField` unless `given` has exactly `fields`."""
    missing = sorted(fields - given.keys())
    if missing:
        raise MissingField(f"{where}: no {', '.join(missing)}")
    unknown = sorted(given.keys() - fields - optional)
    if unknown:
        raise UnknownField(f"{where}: unknown {', '.join(unknown)}; known are {', '.join(sorted(fields))}")


def integer(raw: Any, where: str) -> int:
    """An integer, written as a decimal string or as a JSON integer. Raises `WrongValue`."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and len(raw) <= _MAX_DIGITS and _INTEGER.fullmatch(raw):
        return int(raw)
    raise WrongValue(f"{where}: {_shown(raw)} is not an integer")


def text(raw: Any, where: str) -> str:
    """A string that can be shown as it is. Raises `WrongValue`."""
    if not isinstance(raw, str) or not raw.isprintable():
        raise WrongValue(f"{where}: {_shown(raw)} is not printable text")
    return raw


def account(raw: Any, where: str) -> Address:
    """An address. Raises `WrongValue`."""
    try:
        return address(text(raw, where))
    except InvalidAddress as error:
        raise WrongValue(f"{where}: {error}") from None


def _value(raw: Any, hint: Any, tokens: Tokens, where: str) -> Any:
    if hint in _PLAIN:
        return _PLAIN[hint](raw, where)
    if hint is Token:
        if not isinstance(raw, str) or raw not in tokens:
            raise WrongValue(f"{where}: {_shown(raw)} is not one of the document's tokens")
        return tokens[raw]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        return _items(raw, arguments, tokens, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(raw, arguments, tokens, where)
    if origin in (Union, types.UnionType):
        return _one_of(raw, arguments, tokens, where)
    if origin is Literal:
        if raw not in arguments or isinstance(raw, bool):
            raise WrongValue(f"{where}: {_shown(raw)} is none of {', '.join(map(str, arguments))}")
        return raw
    if isinstance(hint, type) and issubclass(hint, Enum):
        if not isinstance(raw, str) or raw not in hint.__members__:
            raise WrongValue(f"{where}: {_shown(raw)} is none of {', '.join(hint.__members__)}")
        return hint[raw]
    if dataclasses.is_dataclass(hint) or _is_record(hint):
        return decode(raw, hint, tokens, where)
    raise TypeError(f"{where}: {hint} has no form in a snapshot")


def _items(raw: Any, hints: tuple[Any, ...], tokens: Tokens, where: str) -> tuple[Any, ...]:
    if not isinstance(raw, list):
        raise WrongValue(f"{where}: {_shown(raw)} is not a list")
    if len(hints) == 2 and hints[1] is Ellipsis:
        hints = (hints[0],) * len(raw)
    if len(raw) != len(hints):
        raise WrongValue(f"{where}: {len(raw)} values where {len(hints)} belong")
    return tuple([_value(item, hint, tokens, f"{where}[{i}]") for i, (item, hint) in enumerate(zip(raw, hints))])  # noqa: B905


def _mapping(raw: Any, hints: tuple[Any, ...], tokens: Tokens, where: str) -> dict[Any, Any]:
    key_hint, value_hint = hints
    read: dict[Any, Any] = {}
    for key, item in require_object(raw, where).items():
        at = _value(key, key_hint, tokens, f"{where} key {key[:_MAX_DIGITS]}")
        read[at] = _value(item, value_hint, tokens, f"{where}[{key[:_MAX_DIGITS]}]")
    return read


def _one_of(raw: Any, hints: tuple[Any, ...], tokens: Tokens, where: str) -> Any:
    """`X | None`, or one of several classes, told apart by the name that `encode` wrote."""
    some = [hint for hint in hints if hint is not types.NoneType]
    if raw is None and len(some) < len(hints):
        return None
    if len(some) == 1:
        return _value(raw, some[0], tokens, where)
    kind = require_object(raw, where).get(_KIND)
    for hint in some:
        if getattr(hint, "__name__", None) == kind:
            return _value(raw, hint, tokens, where)
    names = ", ".join(getattr(hint, "__name__", str(hint)) for hint in some)
    raise WrongValue(f"{where}: {_shown(kind)} is none of {names}")


def _truth(raw: Any, where: str) -> bool:
    if not isinstance(raw, bool):
        raise WrongValue(f"{where}: {_shown(raw)} is neither true nor false")
    return raw


def _real(raw: Any, where: str) -> float:
    if not isinstance(raw, float) or not math.isfinite(raw):
        raise WrongValue(f"{where}: {_shown(raw)} is not a finite number with a point")
    return raw


def _octets(raw: Any, where: str) -> bytes:
    if not isinstance(raw, str) or not _HEX.fullmatch(raw):
        raise WrongValue(f"{where}: {_shown(raw)} is not lower-case hex with 0x before it")
    return bytes.fromhex(raw[2:])


_PLAIN: Mapping[Any, Callable[[Any, str], Any]] = {
    int: integer,
    str: text,
    bool: _truth,
    float: _real,
    bytes: _octets,
    Address: account,
}


@cache
def _fields(kind: Any) -> tuple[dataclasses.Field[Any], ...]:
    return tuple(field for field in dataclasses.fields(kind) if field.init)


@cache
def _names(kind: Any) -> frozenset[str]:
    return frozenset(kind._fields if _is_record(kind) else (field.name for field in _fields(kind)))


def _is_record(kind: Any) -> bool:
    """Whether `kind` is a named tuple."""
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _kind_of(value: Any) -> dict[str, str]:
    """The class's name where nothing else tells parts of a pool apart; a pool itself is told by its family."""
    return {} if hasattr(value, "family") else {_KIND: type(value).__name__}


def _key(key: Any) -> str:
    written = encode(key)
    if not isinstance(written, str):
        raise TypeError(f"{type(key).__name__} cannot be a key in a snapshot")
    return written


def _shown(raw: Any) -> str:
    return repr(raw) if len(repr(raw)) <= 80 else f"{repr(raw)[:77]}…"
