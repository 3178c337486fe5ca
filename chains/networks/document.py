"""A network's TOML as it is written: every key, its type and its bounds. Anything else is refused."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

GasModelName = Literal["eip1559", "legacy", "op_stack", "arbitrum", "avalanche"]

_FEE_KEYS = ("fee_ppm", "tick_spacings", "spacings")
_FEE_KEY_OF_FAMILY = {
    "constant_product": "fee_ppm",
    "concentrated": "tick_spacings",
    "slipstream": "spacings",
}
_Family = Literal["constant_product", "concentrated", "camelot", "solidly", "slipstream", "algebra"]


class Strict(BaseModel):
    """A table with no other keys than these."""

    model_config = ConfigDict(extra="forbid", strict=True)


class CoinTable(Strict):
    """The gas coin."""

    symbol: str
    decimals: int = Field(ge=0, le=36)


class TokenTable(Strict):
    """A well-known token."""

    address: str
    decimals: int = Field(ge=0, le=36)


class ExchangeTable(Strict):
    """An exchange's own accounting precision."""

    decimals: int = Field(ge=0, le=36)


class ContractTable(Strict):
    """A well-known contract of which more is known than its address."""

    address: str
    deploy_block: int = Field(ge=0)


class GasTable(Strict):
    """The constants of a gas model, where they are not its usual ones."""

    elasticity: int | None = Field(default=None, ge=1)
    denominator: int | None = Field(default=None, ge=1)
    least_tip_gwei: float | int = Field(default=0, ge=0, allow_inf_nan=False)


class FactoryTable(Strict):
    """A pool factory. `init_code_hash`, or the `implementation` that its pools are clones of, gives their addresses."""

    family: _Family
    address: str
    init_code_hash: str | None = Field(default=None, pattern=r"^0x[0-9a-f]{64}$")
    implementation: str | None = None
    deployer: str | None = None
    fee_ppm: int | None = Field(default=None, ge=0, lt=1_000_000)
    tick_spacings: dict[str, int] | None = None
    spacings: list[int] | None = None
    deploy_block: int = Field(default=0, ge=0)
    proven: bool = False

    @model_validator(mode="after")
    def _fees_fit_the_family(self) -> Self:
        wanted = _FEE_KEY_OF_FAMILY.get(self.family)
        stated = [key for key in _FEE_KEYS if getattr(self, key) is not None]
        if stated != ([wanted] if wanted else []):
            what = f"`{wanted}` and nothing else" if wanted else "nothing"
            raise ValueError(f"a {self.family} factory states {what} about fees")
        return self

    @model_validator(mode="after")
    def _proven_by_its_hash(self) -> Self:
        if self.init_code_hash is not None and self.implementation is not None:
            raise ValueError("a factory states `init_code_hash` or `implementation`, not both")
        if self.proven and self.init_code_hash is None and self.implementation is None:
            raise ValueError("`proven` is about the init code hash; write `init_code_hash`, or remove `proven`")
        return self


class NetworkDocument(Strict):
    """The whole file."""

    chain_id: int = Field(gt=0)
    test_chain: bool
    block_time_s: float | int = Field(gt=0, le=3600)
    finality_blocks: int = Field(gt=0)
    finality_tag: bool
    logs_bloom: bool
    gas_model: GasModelName
    gas: GasTable = GasTable()
    native: CoinTable
    wrapped: str
    contracts: dict[str, str | ContractTable] = {}
    factories: dict[str, FactoryTable] = {}
    tokens: dict[str, TokenTable] = {}
    assets: dict[str, list[str]] = {}
    exchanges: dict[str, ExchangeTable] = {}


TABLES: dict[str, type[Strict]] = {
    "factories": FactoryTable,
    "tokens": TokenTable,
    "exchanges": ExchangeTable,
    "native": CoinTable,
    "gas": GasTable,
    "contracts": ContractTable,
}
"""The tables of a network's file, by name."""
