"""Dataclasses to strict JSON and back: integers and fractions as decimal strings, no key missing, none unknown.

Both what the signer is told over its socket and the policy it reads at start pass through here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from fractions import Fraction
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import orjson

from chains.assets import Address, InvalidAddress, address

T = TypeVar("T")

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,77}")
_FRACTION = re.compile(r"(0|-?[1-9][0-9]{0,77})/([1-9][0-9]{0,77})")
_KEY_SEPARATOR = ":"
_AS_THEY_ARE = (str, bool, float, NoneType)


class InvalidMessage(ValueError):
    """JSON that is not the expected value. One line that names the field."""


def encode(value: object) -> bytes:
    """Compact JSON with sorted keys."""
    return orjson.dumps(plain(value), option=orjson.OPT_SORT_KEYS)


def decode(kind: type[T], data: bytes) -> T:
    """The value of type `kind` that `data` spells. Raises `InvalidMessage`."""
    return parse(kind, read(data))


def read(data: bytes) -> Any:
    """Any JSON document. Raises `InvalidMessage`."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidMessage(f"not JSON: {error}") from None


def parse(kind: type[T], document: object) -> T:
    """The value of type `kind` that a JSON document spells. Raises `InvalidMessage`."""
    try:
        value: T = _parser(cast(Any, kind))(document)
    except _Wrong as wrong:
        raise InvalidMessage(f"{kind.__name__}{wrong}") from None
    return value


def plain(value: object) -> Any:
    """What JSON can hold: integers become decimal strings, bytes hex, sets sorted lists."""
    if isinstance(value, _AS_THEY_ARE):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if (names := _names(cast(Any, type(value)))) is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {_plain_key(key): plain(item) for key, item in value.items()}
    raise TypeError(f"a message cannot hold {type(value).__name__}")


def _plain_key(key: object) -> str:
    return _KEY_SEPARATOR.join(map(str, key)) if isinstance(key, tuple) else str(key)


@cache
def _names(kind: type) -> tuple[str, ...] | None:
    """The fields of a dataclass; None of anything else."""
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


class _Wrong(Exception):
    """What is wrong with a value, and where in it: the path is put together only when there is something to say."""

    def __init__(self, said: str, where: str = "") -> None:
        super().__init__(said, where)
        self._said, self._where = said, where

    def within(self, where: str) -> _Wrong:
        """The same, seen from what holds the value at `where`."""
        return _Wrong(self._said, where + self._where)

    def __str__(self) -> str:
        return f"{self._where}: {self._said}"


_Parser = Callable[[object], Any]


@cache
def _parser(kind: Any) -> _Parser:
    """What reads values of `kind`, made once for each; it raises `_Wrong`."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _dataclass_parser(kind)
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _enum_parser(kind)
    arguments, origin = get_args(kind), get_origin(kind)
    if origin in (UnionType, Union):
        (present,) = (argument for argument in arguments if argument is not NoneType)
        parse_present = _parser(present)
        return lambda document: None if document is None else parse_present(document)
    if origin in (tuple, frozenset):
        return _list_parser(origin, arguments[0])
    if origin is Mapping:
        return _mapping_parser(*arguments)
    raise TypeError(f"no wire form for {kind}")


def _dataclass_parser(kind: type) -> _Parser:
    hints = get_type_hints(kind)
    parsers = {field.name: _parser(hints[field.name]) for field in dataclasses.fields(kind)}

    def parse_dataclass(document: object) -> Any:
        entries = _instance(document, dict, "an object")
        if entries.keys() != parsers.keys():
            if unknown := sorted(entries.keys() - parsers.keys()):
                raise _Wrong(f"unknown key {unknown[0]!r}; known are {', '.join(sorted(parsers))}")
            raise _Wrong(f"{min(parsers.keys() - entries.keys())!r} is missing")
        values = {}
        for name, item in entries.items():
            try:
                values[name] = parsers[name](item)
            except _Wrong as wrong:
                raise wrong.within(f".{name}") from None
        return kind(**values)

    return parse_dataclass


def _list_parser(made: Callable[[list[Any]], Any], item_kind: Any) -> _Parser:
    parse_item = _parser(item_kind)

    def parse_list(document: object) -> Any:
        values = []
        for index, item in enumerate(_instance(document, list, "a list")):
            try:
                values.append(parse_item(item))
            except _Wrong as wrong:
                raise wrong.within(f"[{index}]") from None
        return made(values)

    return parse_list


def _mapping_parser(key_kind: Any, item_kind: Any) -> _Parser:
    parse_key, parse_item = _key_parser(key_kind), _parser(item_kind)

    def parse_mapping(document: object) -> Any:
        values = {}
        for key, item in _instance(document, dict, "an object").items():
            try:
                parsed = parse_key(key)
                values[parsed] = parse_item(item)
            except _Wrong as wrong:
                raise wrong.within(f".{key}") from None
        return values

    return parse_mapping


def _key_parser(kind: Any) -> Callable[[str], Any]:
    if get_origin(kind) is not tuple:
        return _parser(kind)
    parsers = [_parser(part) for part in get_args(kind)]

    def parse_key(key: str) -> Any:
        parts = key.split(_KEY_SEPARATOR)
        if len(parts) != len(parsers):
            raise _Wrong(f"expected {len(parsers)} parts joined by '{_KEY_SEPARATOR}'")
        return tuple([parse_part(part) for parse_part, part in zip(parsers, parts, strict=True)])

    return parse_key


def _enum_parser(kind: type[StrEnum]) -> _Parser:
    members = {str(member): member for member in kind}

    def parse_enum(document: object) -> StrEnum:
        text = _instance(document, str, "text")
        if text not in members:
            raise _Wrong(f"{text!r} is none of {', '.join(kind)}")
        return members[text]

    return parse_enum


def _address(document: object) -> Address:
    text = _instance(document, str, "an address")
    try:
        canonical = address(text)
    except InvalidAddress as error:
        raise _Wrong(str(error)) from None
    if canonical != text:
        raise _Wrong(f"{text} is not in EIP-55 form; write {canonical}")
    return canonical


def _fraction(document: object) -> Fraction:
    expected = "a fraction in lowest terms, such as '1/5000'"
    text = _text(document, _FRACTION, expected)
    value = Fraction(text)
    if plain(value) != text:
        raise _Wrong(f"{_shown(text)} is not {expected}")
    return value


def _integer(document: object) -> int:
    return int(_text(document, _INTEGER, "an integer written as a decimal string"))


def _bytes(document: object) -> bytes:
    expected = "lower-case hex after 0x"
    text = _instance(document, str, expected)
    try:
        value = bytes.fromhex(text[2:])
    except ValueError:
        value = None
    # There is one way to write it.
    if value is None or plain(value) != text:
        raise _Wrong(f"{_shown(text)} is not {expected}")
    return value


def _text(document: object, pattern: re.Pattern[str], expected: str) -> str:
    if isinstance(document, str) and pattern.fullmatch(document):
        return document
    raise _Wrong(f"{_shown(document)} is not {expected}")


def _instance(document: object, kinds: Any, expected: str) -> Any:
    if not isinstance(document, kinds) or (isinstance(document, bool) and kinds is not bool):
        raise _Wrong(f"{_shown(document)} is not {expected}")
    return document


def _shown(document: object) -> str:
    text = repr(document)
    return text if len(text) <= 80 else f"{text[:77]}..."


_SIMPLE: Mapping[Any, _Parser] = {
    int: _integer,
    Fraction: _fraction,
    bytes: _bytes,
    float: lambda document: float(_instance(document, (int, float), "a number")),
    bool: lambda document: _instance(document, bool, "true or false"),
    str: lambda document: _instance(document, str, "text"),
    Address: _address,
}
