"""Revert data, in words: `Error(string)`, `Panic(uint256)`, and custom errors by their ABI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
from eth_abi.abi import decode
from eth_utils.crypto import keccak

from chains.printing import one_line
from chains.tools import ROOT

CONTRACTS = tuple(ROOT / "contracts" / "out" / f"{name}.sol" / f"{name}.json" for name in ("Executor", "Inventory"))

# Solidity documentation, "Panic via assert and Error via require".
_PANICS = {
    0x00: "generic panic",
    0x01: "assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "value out of an enum's range",
    0x22: "corrupt storage byte array",
    0x31: "pop of an empty array",
    0x32: "index out of bounds",
    0x41: "out of memory",
    0x51: "call of an uninitialised function",
}

_MEANS = {
    "OutputBelowReference": "less than the inventory's mean price asks for, its allowed slippage taken off",
    "NoReference": "the pool that prices this token does not remember as far back as the mean price goes",
}


@dataclass(frozen=True, slots=True)
class CustomError:
    """A Solidity error: its name, and its arguments' names and ABI types in order."""

    name: str
    arguments: tuple[tuple[str, str], ...]

    @property
    def selector(self) -> bytes:
        return keccak(text=f"{self.name}({','.join(kind for _, kind in self.arguments)})")[:4]


MOST_BYTES = 256
"""Revert data is read so far and no further: what is longer says nothing more, and may be meant to be expensive."""

# Behind the selector, the text's offset and its length.
_TEXT_AT = 4 + 2 * 32
_BUILT_IN = (CustomError("Error", (("", "string"),)), CustomError("Panic", (("", "uint256"),)))


class RevertReasons:
    """Knows errors by selector and turns revert data into one line."""

    def __init__(self, errors: Iterable[CustomError] = ()) -> None:
        self._errors = {error.selector: error for error in (*_BUILT_IN, *errors)}

    @classmethod
    def from_artefacts(cls, paths: Iterable[Path] = CONTRACTS) -> Self:
        """With the custom errors of compiled contracts; of one that is not compiled none."""
        entries = [entry for path in paths if path.is_file() for entry in orjson.loads(path.read_bytes())["abi"]]
        return cls(_custom_error(entry) for entry in entries if entry["type"] == "error")

    def read(self, data: bytes) -> str:
        """One line for a person. Data nobody knows is shown as hex; of long data only the beginning is read."""
        if len(data) <= MOST_BYTES:
            return self._read(data)
        beginning = data[:MOST_BYTES]
        is_text = beginning.startswith(_BUILT_IN[0].selector)
        said = beginning[_TEXT_AT:].decode(errors="replace") if is_text else f"reverted with 0x{beginning.hex()}"
        return f"{one_line(said)}… ({len(data)} bytes)"

    def _read(self, data: bytes) -> str:
        if not data:
            return "reverted without a reason"
        error = self._errors.get(data[:4])
        if error is None:
            return f"reverted with 0x{data.hex()}"
        try:
            values = decode([kind for _, kind in error.arguments], data[4:])
        except Exception:
            return f"{error.name}: malformed 0x{data.hex()}"
        if error.name == "Error":
            return one_line(str(values[0])) or "reverted with an empty reason"
        if error.name == "Panic":
            return f"panic 0x{values[0]:02x} ({_PANICS.get(values[0], 'unknown')})"
        said = f"{error.name}({', '.join(map(_argument, error.arguments, values))})"
        return f"{one_line(said)}: {_MEANS[error.name]}" if error.name in _MEANS else one_line(said)


def _custom_error(entry: Mapping[str, Any]) -> CustomError:
    return CustomError(entry["name"], tuple((it.get("name", ""), _abi_type(it)) for it in entry["inputs"]))


def _abi_type(parameter: Mapping[str, Any]) -> str:
    """The canonical type; a struct is written as the tuple of its members."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(map(_abi_type, parameter['components']))}){kind.removeprefix('tuple')}"


def _argument(argument: tuple[str, str], value: object) -> str:
    shown = f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
    return f"{argument[0]}={shown}" if argument[0] else shown
