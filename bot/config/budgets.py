"""What may be risked: the `[budget]` of a strategy, the `[budget]` of all together, and what halts them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bot.config.section import Section
from bot.config.values import ETH_DECIMALS, EthAmount, PositiveSeconds, Seconds
from chains.assets import Amount

LIFETIME_DAYS = 30
"""How many days of the worst losses a lifetime has, where it is not stated."""

IN_WEI = ("capital", "per_trade", "hour_loss", "day_loss", "gas_day", "drawdown")


class BudgetSettings(Section):
    """What the strategy may risk, in ETH at the run's opening prices. The amounts without a default must be stated."""

    capital: Annotated[EthAmount, Field(examples=["50 ETH"])]
    """Most value in flight at once: inventory committed to plans that are not settled yet."""

    per_trade: Annotated[EthAmount, Field(examples=["5 ETH"])]
    """Most one plan may put at risk: the inventory it spends, and its gas at the highest fee."""

    hour_loss: Annotated[EthAmount, Field(examples=["1 ETH"])]
    """Most it may lose within any hour, open worst cases included."""

    day_loss: Annotated[EthAmount, Field(examples=["2 ETH"])]
    """Most it may lose within any 24 hours, open worst cases included."""

    gas_day: Annotated[EthAmount, Field(examples=["1 ETH"])]
    """Most it may spend on gas within any 24 hours."""

    drawdown: Annotated[EthAmount, Field(examples=["2 ETH"])]
    """How far its profit may fall from its highest point before the strategy halts until it is resumed."""

    lifetime_loss: Annotated[EthAmount | None, Field(examples=["20 ETH"])] = None
    """Most it may ever lose with this key on this chain. Left out: 30 times `day_loss`."""

    failures_in_a_row: Annotated[int, Field(ge=1, examples=[10])] = 20
    """How many trades it may lose one after another before it halts until it is resumed."""

    transactions_a_minute: Annotated[int, Field(ge=1, examples=[60])] = 3_000
    """How many transactions may be signed for it within any minute; at one more it halts until it is resumed."""

    def in_wei(self) -> dict[str, int]:
        """The limits that the engine counts too, in wei, under their names with `_wei` added."""
        return {f"{name}_wei": _wei(getattr(self, name)) for name in IN_WEI}

    @property
    def lifetime_loss_wei(self) -> int:
        return LIFETIME_DAYS * _wei(self.day_loss) if self.lifetime_loss is None else _wei(self.lifetime_loss)


class TotalBudgetSettings(Section):
    """What all strategies together may risk. What is left out is bounded by the strategies' own budgets only."""

    capital: Annotated[EthAmount | None, Field(examples=["80 ETH"])] = None
    """Most value in flight at once."""

    per_trade: Annotated[EthAmount | None, Field(examples=["5 ETH"])] = None
    """Most one plan may put at risk."""

    hour_loss: Annotated[EthAmount | None, Field(examples=["2 ETH"])] = None
    """Most that may be lost within any hour, open worst cases included."""

    day_loss: Annotated[EthAmount | None, Field(examples=["3 ETH"])] = None
    """Most that may be lost within any 24 hours, open worst cases included."""

    gas_day: Annotated[EthAmount | None, Field(examples=["2 ETH"])] = None
    """Most that may be spent on gas within any 24 hours."""

    drawdown: Annotated[EthAmount | None, Field(examples=["3 ETH"])] = None
    """How far the profit of all may fall from its highest point before everything halts."""

    lifetime_loss: Annotated[EthAmount | None, Field(examples=["40 ETH"])] = None
    """Most that may ever be lost with this key on this chain."""

    failures_in_a_row: Annotated[int | None, Field(ge=1, examples=[30])] = None
    """How many trades, of whatever strategy, may be lost one after another before everything halts."""

    transactions_a_minute: Annotated[int | None, Field(ge=1, examples=[120])] = None
    """How many transactions may be signed within any minute; at one more everything halts."""

    def wei(self, name: str, otherwise: int) -> int:
        """The limit `name` in wei; `otherwise` where it is left out."""
        stated = getattr(self, name)
        return otherwise if stated is None else _wei(stated)


class BreakerSettings(Section):
    """What halts everything until a person resumes it, beside losses (docs/signer.md)."""

    prove_every_s: Annotated[PositiveSeconds, Field(examples=[60])] = 60.0
    """Seconds between two comparisons of the ledger with the chain during a run; money that is missing halts."""

    dead_man_s: Annotated[int, Field(ge=0, examples=[600])] = 600
    """In live mode all halts when no such comparison has held for so many seconds; 0 leaves this breaker out."""

    disagreement_s: Annotated[Seconds, Field(examples=[120])] = 120.0
    """Seconds over which endpoints may tell different blocks, plan after plan, before everything halts."""


def _wei(amount: Amount) -> int:
    return amount.units(ETH_DECIMALS)
