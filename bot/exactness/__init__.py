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
from chains.pools.pool import Pool, PoolError, variant_of

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
    """Where the cases of one family from one source are made: a `Cases`, or its name as `module:function`.

    `variant` is the kind of contracts it holds for, in a family that has several.
    """

    family: str
    source: Source
    cases: str | Cases
    variant: str = ""

    def run(self) -> Iterator[Case]:
        """Every case. Raises `MissingTool` where the contracts or Anvil are not installed."""
        if not isinstance(self.cases, str):
            return iter(self.cases())
        module, _, function = self.cases.partition(":")
        made: Cases = getattr(import_module(module), function)
        return iter(made())


def _curve(family: str, *recordings: tuple[str, str]) -> tuple[Proof, ...]:
    """Curve's contracts by generation: variant, and the name of its cases."""
    return tuple(Proof(family, Source.RECORDED, f"bot.exactness.{cases}", variant) for variant, cases in recordings)


PROOFS: tuple[Proof, ...] = (
    Proof("constant_product", Source.BYTECODE, "bot.exactness.uniswap_v2:on_anvil"),
    Proof("constant_product", Source.RECORDED, "bot.exactness.uniswap_v2:recorded"),
    Proof("concentrated", Source.BYTECODE, "bot.exactness.uniswap_v3:on_anvil"),
    Proof("concentrated", Source.BYTECODE, "bot.exactness.pancake_v3:on_anvil"),
    Proof("concentrated", Source.RECORDED, "bot.exactness.uniswap_v3:recorded"),
    Proof("balancer_v3_buffer", Source.RECORDED, "bot.exactness.balancer_v3:buffers_recorded"),
    Proof("erc4626", Source.BYTECODE, "bot.exactness.erc4626:on_anvil"),
    Proof("aave_v3", Source.RECORDED, "bot.exactness.aave_v3:v3_0", "v3.0"),
    Proof("aave_v3", Source.RECORDED, "bot.exactness.aave_v3:v3_6", "v3.6"),
    Proof("wrapped_native", Source.BYTECODE, "bot.exactness.wrapping:on_anvil"),
    Proof("wsteth", Source.RECORDED, "bot.exactness.sequences:wsteth"),
    Proof("camelot", Source.RECORDED, "bot.exactness.sequences:camelot_volatile", "volatile"),
    Proof("camelot", Source.RECORDED, "bot.exactness.sequences:camelot_stable", "stable"),
    Proof("slipstream", Source.RECORDED, "bot.exactness.sequences:slipstream"),
    Proof("algebra", Source.BYTECODE, "bot.exactness.algebra:on_anvil"),
    Proof("solidly", Source.RECORDED, "bot.exactness.solidly:volatile", "volatile"),
    Proof("solidly", Source.RECORDED, "bot.exactness.solidly:stable", "stable"),
    Proof("balancer_v2_weighted", Source.BYTECODE, "bot.exactness.balancer_v2_vault:weighted_on_anvil"),
    Proof("balancer_v2_weighted", Source.RECORDED, "bot.exactness.balancer_v2:weighted_recorded"),
    Proof("balancer_v2_stable", Source.BYTECODE, "bot.exactness.balancer_v2_vault:legacy_on_anvil", "legacy"),
    Proof("balancer_v2_stable", Source.RECORDED, "bot.exactness.balancer_v2:legacy_recorded", "legacy"),
    Proof("balancer_v2_stable", Source.BYTECODE, "bot.exactness.balancer_v2_vault:composable_on_anvil", "composable"),
    Proof("balancer_v2_stable", Source.RECORDED, "bot.exactness.balancer_v2:composable_recorded", "composable"),
    Proof("balancer_v3_weighted", Source.RECORDED, "bot.exactness.balancer_v3:weighted_recorded"),
    Proof("balancer_v3_stable", Source.RECORDED, "bot.exactness.balancer_v3:stable_recorded"),
    *_curve(
        "curve_stable",
        ("first", "curve:stable"),
        ("first", "sequences:curve_3pool"),
        ("template", "sequences:curve_base"),
        ("template compound", "sequences:curve_ib"),
        ("factory", "sequences:curve_plain2"),
        ("factory oracle", "sequences:curve_factory_oracle"),
        ("ng", "sequences:curve_ng"),
        ("ng oracle", "sequences:curve_ng_oracle"),
        ("guarded rebasing", "sequences:curve_steth"),
        ("wrapped_staking ankr", "sequences:curve_aeth"),
        ("wrapped_staking rocket", "sequences:curve_rocket"),
        ("aave rebasing", "sequences:curve_aave"),
        ("lending compound", "sequences:curve_compound"),
        ("lending yearn", "sequences:curve_y"),
    ),
    *_curve(
        "curve_meta",
        ("template redemption caching over first", "curve:meta"),
        ("template caching over first", "sequences:curve_template_meta"),
        ("factory over first", "sequences:curve_factory_meta"),
    ),
    *_curve(
        "curve_crypto",
        ("tricrypto_first", "curve:crypto"),
        ("tricrypto_first", "sequences:curve_tricrypto_first"),
        ("tricrypto", "sequences:curve_tricrypto"),
        ("two", "sequences:curve_two"),
        ("two_first", "sequences:curve_two_first"),
    ),
    Proof("uniswap_v4", Source.BYTECODE, "bot.exactness.uniswap_v4:on_anvil"),
    Proof("uniswap_v4", Source.RECORDED, "bot.exactness.uniswap_v4:recorded"),
)
"""What is proven. A family, or a variant, without a line here is unproven, and never traded."""


def proven(family: str, proofs: Iterable[Proof] = PROOFS, variant: str | None = None) -> bool:
    """Whether `family` is held against real contracts' answers: only then may it be traded.

    Of a family of several kinds, whether this `variant` is; without one, whether any is.
    """
    return any(proof.family == family and variant in (None, proof.variant) for proof in proofs)


def proven_pool(pool: Pool, proofs: Iterable[Proof] = PROOFS) -> bool:
    """Whether the pool is of a kind that is held against real contracts' answers."""
    return proven(pool.family, proofs, variant_of(pool))


def proofs_with(files: Iterable[Path]) -> tuple[Proof, ...]:
    """The package's proofs, and those that family files bring as `PROOFS`. Raises `InvalidFamilyFile`."""
    return (*PROOFS, *(proof for file in files for proof in getattr(load_module(file), "PROOFS", ())))


def answer(ask: Callable[..., Answer], *arguments: Any) -> Answer:
    """What `ask` returns for `arguments`; None where it raises `PoolError`, as a contract reverts."""
    try:
        return ask(*arguments)
    except PoolError:
        return None
