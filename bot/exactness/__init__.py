"""What proves a pool family exact: questions that a contract answered, and what this package answers to them.

The proofs themselves are the modules beside this one; they are imported only when they are run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

from chains.pools.extension import load_module
from chains.pools.pool import PoolError

Answer = int | tuple[int, ...] | None
"""Base units, or several numbers of one answer; None where the contract reverts and where a pool refuses."""


class Source(StrEnum):
    """Whose answers a family is held against."""

    BYTECODE = "bytecode"
    """The real contracts, deployed on Anvil while the proof runs."""
    RECORDED = "recorded"
    """What the real contracts answered elsewhere, recorded by others."""


@dataclass(frozen=True, slots=True)
class Case:
    """One question: what the contract answered, and what the pool did. `name` says enough to ask it again."""

    name: str
    expected: Answer
    got: Answer

    @property
    def matches(self) -> bool:
        return self.expected == self.got


Cases = Callable[[], Iterable[Case]]


@dataclass(frozen=True, slots=True)
class Proof:
    """Where the cases of one family from one source are made: a `Cases`, or its name as `module:function`."""

    family: str
    source: Source
    cases: str | Cases

    def run(self) -> Iterator[Case]:
        """Every case. Raises `MissingTool` where the contracts or Anvil are not installed."""
        if not isinstance(self.cases, str):
            return iter(self.cases())
        module, _, function = self.cases.partition(":")
        made: Cases = getattr(import_module(module), function)
        return iter(made())


PROOFS: tuple[Proof, ...] = (
    Proof("constant_product", Source.BYTECODE, "bot.exactness.uniswap_v2:on_anvil"),
    Proof("constant_product", Source.RECORDED, "bot.exactness.uniswap_v2:recorded"),
    Proof("concentrated", Source.BYTECODE, "bot.exactness.uniswap_v3:on_anvil"),
    Proof("concentrated", Source.BYTECODE, "bot.exactness.pancake_v3:on_anvil"),
    Proof("concentrated", Source.RECORDED, "bot.exactness.uniswap_v3:recorded"),
    Proof("balancer_v3_buffer", Source.RECORDED, "bot.exactness.balancer_v3:buffers_recorded"),
    Proof("erc4626", Source.BYTECODE, "bot.exactness.erc4626:on_anvil"),
    Proof("wrapped_native", Source.BYTECODE, "bot.exactness.wrapping:on_anvil"),
    Proof("algebra", Source.BYTECODE, "bot.exactness.algebra:on_anvil"),
    Proof("solidly", Source.RECORDED, "bot.exactness.solidly:recorded"),
    Proof("balancer_v2_weighted", Source.BYTECODE, "bot.exactness.balancer_v2_vault:weighted_on_anvil"),
    Proof("balancer_v2_weighted", Source.RECORDED, "bot.exactness.balancer_v2:weighted_recorded"),
    Proof("balancer_v2_stable", Source.BYTECODE, "bot.exactness.balancer_v2_vault:stable_on_anvil"),
    Proof("balancer_v2_stable", Source.RECORDED, "bot.exactness.balancer_v2:stable_recorded"),
    Proof("balancer_v3_weighted", Source.RECORDED, "bot.exactness.balancer_v3:weighted_recorded"),
    Proof("balancer_v3_stable", Source.RECORDED, "bot.exactness.balancer_v3:stable_recorded"),
    Proof("curve_stable", Source.RECORDED, "bot.exactness.curve:stable"),
    Proof("curve_stable", Source.RECORDED, "bot.exactness.curve_sequences:stable"),
    Proof("curve_meta", Source.RECORDED, "bot.exactness.curve:meta"),
    Proof("curve_meta", Source.RECORDED, "bot.exactness.curve_sequences:meta"),
    Proof("curve_crypto", Source.RECORDED, "bot.exactness.curve:crypto"),
    Proof("curve_crypto", Source.RECORDED, "bot.exactness.curve_sequences:crypto"),
    Proof("uniswap_v4", Source.BYTECODE, "bot.exactness.uniswap_v4:on_anvil"),
    Proof("uniswap_v4", Source.RECORDED, "bot.exactness.uniswap_v4:recorded"),
)
"""What is proven, in the order it is shown. A family without a line here is unproven, and never traded live."""


def proven(family: str, proofs: Iterable[Proof] = PROOFS) -> bool:
    """Whether `family` is held against real contracts' answers: only then may it be traded."""
    return any(proof.family == family for proof in proofs)


def proofs_with(files: Iterable[Path]) -> tuple[Proof, ...]:
    """The package's proofs, and those that family files bring as `PROOFS`. Raises `InvalidFamilyFile`."""
    return (*PROOFS, *(proof for file in files for proof in getattr(load_module(file), "PROOFS", ())))


def answer(ask: Callable[..., Answer], *arguments: Any) -> Answer:
    """What `ask` returns for `arguments`; None where it raises `PoolError`, as a contract reverts."""
    try:
        return ask(*arguments)
    except PoolError:
        return None
