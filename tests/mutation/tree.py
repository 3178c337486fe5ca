"""A copy of the project into which faults may be written: what runs in it imports nothing from the original."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chains.tools import ROOT
from tests.mutation.mutants import Mutant
from tests.mutation.reach import noting

_COPIED = ("bot", "chains", "strategies", "tests", "pyproject.toml")
_LEFT_OUT = frozenset({".git", ".hypothesis", ".pytest_cache", ".mypy_cache", ".ruff_cache"})


@dataclass(slots=True)
class Tree:
    """The copy at `root`: its sources are its own, and everything else is the original's."""

    root: Path
    _times: Iterator[int] = field(default_factory=lambda: itertools.count(1_000_000_000))

    @classmethod
    def plant(cls, root: Path) -> Tree:
        """Copies the project to `root`, anew."""
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        for entry in ROOT.iterdir():
            if entry.name in _LEFT_OUT:
                continue
            if entry.name not in _COPIED:
                (root / entry.name).symlink_to(entry)
            elif entry.is_dir():
                shutil.copytree(entry, root / entry.name)
            else:
                shutil.copy2(entry, root / entry.name)
        return cls(root)

    def digest(self) -> str:
        """Of every source in it."""
        said = hashlib.sha256()
        for file in sorted(file for entry in _COPIED for file in (self.root / entry).rglob("*.py")):
            said.update(f"{file.relative_to(self.root)}\0".encode() + file.read_bytes())
        return said.hexdigest()[:16]

    @contextmanager
    def holding(self, mutant: Mutant) -> Iterator[None]:
        """With the fault written into its file, for as long as this lasts."""
        with self._changed({mutant.file: mutant.applied}):
            yield

    @contextmanager
    def noting(self, files: Sequence[str]) -> Iterator[None]:
        """With `files` noting which of their lines run, for as long as this lasts."""
        with self._changed(dict.fromkeys(files, noting)):
            yield

    @contextmanager
    def _changed(self, changes: Mapping[str, Callable[[bytes], bytes]]) -> Iterator[None]:
        sources = {self.root / file: (self.root / file).read_bytes() for file in changes}
        for (file, source), change in zip(sources.items(), changes.values(), strict=True):
            self._write(file, change(source))
        try:
            yield
        finally:
            for file, source in sources.items():
                self._write(file, source)

    def _write(self, file: Path, source: bytes) -> None:
        """Compiled files are told apart by size and second: each text gets a second of its own."""
        file.write_bytes(source)
        second = next(self._times)
        os.utime(file, (second, second))
