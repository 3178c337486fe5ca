"""The executor and its inventory as forge compiled them: creation code, and the runtime a chain must hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chains.tools import ROOT, MissingTool

_OUT = ROOT / "contracts" / "out"
_WORD = 32


@dataclass(frozen=True, slots=True)
class Artefact:
    """One compiled contract. `references` says at which bytes of the runtime `template` each immutable stands."""

    name: str
    creation: bytes
    template: bytes
    references: Mapping[str, tuple[int, ...]]

    @classmethod
    def load(cls, name: str, immutables: Sequence[str], out: Path = _OUT) -> Artefact:
        """Read `contracts/out`. `immutables` are named in the order the source declares them: forge numbers them so.

        Raises `MissingTool` when forge has not built it, or built other immutables.
        """
        path = out / f"{name}.sol" / f"{name}.json"
        try:
            document = json.loads(path.read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):
            raise MissingTool(f"{path.relative_to(out.parent.parent)} is not built; run `make setup`") from None
        runtime = document["deployedBytecode"]
        by_id = sorted(runtime["immutableReferences"].items(), key=lambda item: int(item[0]))
        if len(by_id) != len(immutables):
            raise MissingTool(f"{name} was built with {len(by_id)} immutables, not {len(immutables)}; run `make setup`")
        references = {
            immutable: tuple(place["start"] for place in places)
            for immutable, (_, places) in zip(immutables, by_id, strict=True)
        }
        return cls(
            name,
            bytes.fromhex(document["bytecode"]["object"][2:]),
            bytes.fromhex(runtime["object"][2:]),
            references,
        )

    def runtime(self, values: Mapping[str, int]) -> bytes:
        """The code on chain of a contract whose immutables have these values (addresses as integers)."""
        code = bytearray(self.template)
        for immutable, places in self.references.items():
            for start in places:
                code[start : start + _WORD] = values[immutable].to_bytes(_WORD, "big")
        return bytes(code)


VENUE_IMMUTABLES = ("WRAPPED_NATIVE", "POOL_MANAGER", "BALANCER_VAULT_V2", "BALANCER_VAULT_V3", "AAVE_POOL")
EXECUTOR_IMMUTABLES = (
    "CHAIN_ID",
    "OWNER",
    *(f"OPERATOR_{i}" for i in range(4)),
    "TREASURY",
    "INVENTORY",
    *(f"PROFIT_TOKEN_{i}" for i in range(4)),
    *VENUE_IMMUTABLES,
)
BOUND_IMMUTABLES = ("WINDOW", "SLIPPAGE_PPM")
INVENTORY_IMMUTABLES = (
    "EXECUTOR",
    "OWNER",
    "TREASURY",
    *(f"TOKEN_{i}" for i in range(4)),
    *(f"CAP_{i}" for i in range(4)),
    *(f"REFERENCE_{i}" for i in range(1, 4)),
    *BOUND_IMMUTABLES,
)


def executor_artefact() -> Artefact:
    """Raises as `Artefact.load`."""
    return Artefact.load("Executor", EXECUTOR_IMMUTABLES)


def inventory_artefact() -> Artefact:
    """Raises as `Artefact.load`."""
    return Artefact.load("Inventory", INVENTORY_IMMUTABLES)
