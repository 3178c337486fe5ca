"""Recorded answers that travel with the package; `data/README.md` names their origins and licences."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chains.assets import Token, address

DATA = Path(__file__).parent / "data"


def extract(name: str) -> Any:
    """A JSON document of `data/`."""
    content = (DATA / name).read_bytes()
    return json.loads(gzip.decompress(content) if name.endswith(".gz") else content)


def token(place: str, fields: Mapping[str, Any]) -> Token:
    """A token as the recordings write it."""
    return Token(place, address(fields["address"]), fields["symbol"], fields["decimals"])
