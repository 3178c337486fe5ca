"""A pool family from outside the package: one file that says `FAMILY`. How to write it: docs/add-a-pool.md."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from chains.pools.registry import FAMILIES, Family


class InvalidFamilyFile(ValueError):
    """A file that does not define a family, or one whose name is taken."""


def load_module(file: Path) -> ModuleType:
    """The module in `file`, loaded once. Raises `InvalidFamilyFile` with what its code raised."""
    name = f"isthmus_family_{file.stem}"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(file.resolve()):
        return loaded
    if not file.is_file():
        raise InvalidFamilyFile(f"{file}: no such file; name a Python file that defines FAMILY")
    spec = spec_from_file_location(name, file.resolve())
    if spec is None or spec.loader is None:
        raise InvalidFamilyFile(f"{file} is not a Python file; name one that ends in .py")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        with redirect_stdout(sys.stderr):  # stdout is the command's, and with `--json` one object's alone
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InvalidFamilyFile(f"{file} cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def families_with(files: Iterable[Path]) -> Mapping[str, Family]:
    """The families of the package and those of `files`. Raises `InvalidFamilyFile`."""
    known = dict(FAMILIES)
    for file in files:
        family = getattr(load_module(file), "FAMILY", None)
        if not isinstance(family, Family):
            raise InvalidFamilyFile(f"{file} defines no FAMILY; write FAMILY = Family(YourPool, loading, TOPICS)")
        if family.name in known:
            raise InvalidFamilyFile(f"{file}: there is a family {family.name!r} already; give yours another name")
        known[family.name] = family
    return known
