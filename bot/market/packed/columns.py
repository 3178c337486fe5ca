"""Columns that grow together, with slack, and blocks of rows inside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

AnyArray = NDArray[Any]


class Columns:
    """Arrays of equal length by name; `size` rows of them are used. Growing makes new arrays."""

    def __init__(self, columns: Mapping[str, tuple[DTypeLike, int, float]], room: int = 64) -> None:
        """`columns`: name → dtype, width (0: a plain column) and what an unused row holds."""
        self._unused = {name: unused for name, (_, _, unused) in columns.items()}
        self._arrays: dict[str, AnyArray] = {
            name: np.full((room, width) if width else room, unused, dtype)
            for name, (dtype, width, unused) in columns.items()
        }
        self.size = 0

    def __getitem__(self, name: str) -> AnyArray:
        return self._arrays[name]

    @property
    def room(self) -> int:
        return len(next(iter(self._arrays.values())))

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self._arrays.values())

    def extend(self, rows: int) -> int:
        """Use `rows` more; the first of them."""
        first, self.size = self.size, self.size + rows
        if self.size > self.room:
            room = self.size + self.size // 8 + 64
            for name, array in self._arrays.items():
                grown = np.full((room, *array.shape[1:]), self._unused[name], array.dtype)
                grown[: len(array)] = array
                self._arrays[name] = grown
        return first


class Blocks:
    """Blocks of consecutive rows of `Columns`, handed out with room, and used again when given back."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._free: dict[int, list[int]] = {}

    @staticmethod
    def room_for(rows: int) -> int:
        """Room that is handed out for `rows`: an eighth more, in steps that make blocks fit one another."""
        step = 2 if rows < 16 else 8 if rows < 128 else 64
        return -(-(rows + rows // 8) // step) * step

    def take(self, rows: int) -> int:
        """The first row of a block with room for `rows`."""
        room = self.room_for(rows)
        free = self._free.get(room)
        return free.pop() if free else self._columns.extend(room)

    def give_back(self, first: int, room: int) -> None:
        """Return a block that was taken with that room."""
        self._free.setdefault(room, []).append(first)
