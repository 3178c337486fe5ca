"""A strategy's parameters as written, checked against the types its class annotates."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bot.config.errors import did_you_mean, shown
from bot.config.values import positive_amount
from chains.assets import Amount

Complaint = tuple[str, str]
"""A parameter's name and what is wrong with it, remedy included."""

_MOST_WHOLE = 2**63 - 1


def checked(
    written: Mapping[str, Any], kinds: Mapping[str, Any], defaults: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Complaint]]:
    """The parameters with their right types, and what is wrong with the others.

    `kinds` are the class's annotations; a parameter without one of the `defaults` must be written.
    """
    values: dict[str, Any] = {}
    complaints = list(_missing(written, kinds, defaults))
    for name, value in written.items():
        if name not in kinds:
            complaints.append((name, f"unknown parameter; {did_you_mean(name, kinds)}"))
            continue
        try:
            values[name] = converted(value, kinds[name], defaults.get(name))
        except ValueError as error:
            complaints.append((name, str(error)))
    return values, complaints


def _missing(written: Mapping[str, Any], kinds: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[Complaint]:
    for name, kind in kinds.items():
        if name not in written and name not in defaults:
            yield name, f"missing; the strategy has no default for it, so write {_described(kind)}"


def converted(value: Any, kind: Any, default: Any = None) -> Any:
    """`value`, read from TOML, as `kind`. Raises `ValueError` with the remedy.

    A number may be negative only where the default is.
    """
    kind = _without_none(kind)
    if kind is Amount:
        return positive_amount(value)
    if _is_choice(kind):
        return _chosen(value, kind)
    if typing.get_origin(kind) is typing.Literal:
        return _one_of(value, typing.get_args(kind))
    if typing.get_origin(kind) in (list, tuple):
        (item, *_) = typing.get_args(kind) or (str,)
        if not isinstance(value, list):
            raise ValueError(f"expected {_described(kind)}, got {shown(value)}; put it in brackets")
        return typing.get_origin(kind)(converted(element, item) for element in value)
    convert = _CONVERTERS.get(kind)
    if convert is None:
        written = "int, float, str, bool, Amount, a StrEnum, Literal or list"
        raise ValueError(f"its type {kind} cannot be written in TOML; annotate {written}")
    result = convert(value)
    if result is None:
        raise ValueError(f"expected {_described(kind)}, got {shown(value)}; write one{_such_as(default)}")
    if kind in (int, float, Decimal) and result < 0 and not (default is not None and default < 0):
        raise ValueError(f"negative value {shown(value)}; write zero or more{_such_as(default)}")
    if kind is int and result > _MOST_WHOLE:
        raise ValueError(f"{shown(value)} is more than TOML holds; write a smaller one{_such_as(default)}")
    return result


def _is_choice(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, StrEnum)


def _chosen(value: Any, kind: type[StrEnum]) -> StrEnum:
    """One of several words. Raises `ValueError` with those there are."""
    if isinstance(value, str) and value in set(kind):
        return kind(value)
    raise ValueError(
        f"{shown(value)} is none of its choices; {did_you_mean(str(value), [choice.value for choice in kind])}"
    )


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    """One of several values, which TOML writes as they are. Raises `ValueError` with those there are."""
    if value not in choices or isinstance(value, bool):
        raise ValueError(f"{shown(value)} is none of its choices; write one of {', '.join(map(str, choices))}")
    return value


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _decimal(value: Any) -> Decimal | None:
    number = value if isinstance(value, Decimal) else _integer(value)
    return Decimal(number) if number is not None and Decimal(number).is_finite() else None


def _float(value: Any) -> float | None:
    number = _decimal(value)
    return None if number is None or math.isinf(float(number)) else float(number)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


_CONVERTERS: Mapping[Any, Callable[[Any], Any]] = types.MappingProxyType(
    {int: _integer, float: _float, Decimal: _decimal, str: _text, bool: _truth}
)
_NAMES: Mapping[Any, str] = types.MappingProxyType(
    {
        int: "a whole number",
        float: "a number",
        Decimal: "a number",
        str: "text in quotes",
        bool: "true or false",
        Amount: "an amount such as '0.002 ETH'",
    }
)


def _described(kind: Any) -> str:
    kind = _without_none(kind)
    if typing.get_origin(kind) in (list, tuple):
        return "a list"
    if _is_choice(kind):
        return "one of " + ", ".join(kind)
    if typing.get_origin(kind) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(kind)))
    return _NAMES.get(kind, str(kind))


def _such_as(default: Any) -> str:
    return "" if default is None else f", such as {default}"


def _without_none(kind: Any) -> Any:
    """`int | None` is written as an `int`."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        options = [option for option in typing.get_args(kind) if option is not type(None)]
        return options[0] if len(options) == 1 else kind
    return kind
