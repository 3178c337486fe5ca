"""The run file's sections on transfers: ways for an asset from one place to another, each with its cost and time."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from bot.config.section import Section
from bot.config.values import Number, Seconds

_END = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*:[A-Za-z][A-Za-z0-9.]*$")]


class TransferSettings(Section):
    """A way for an asset between two places: a withdrawal, a deposit. The market tells what it costs and how long it
    takes; nothing is sent by it, and no cycle goes through it.
    """

    source: Annotated[_END, Field(examples=["binance:ETH"])]
    """Where it begins: an exchange and its currency, or the network and its token."""

    target: Annotated[_END, Field(examples=["ethereum:ETH"])]
    """Where it ends, written in the same way."""

    fee: Annotated[Number, Field(examples=[Decimal("0.0004")])] = Decimal(0)
    """What is kept of one transfer, in whole tokens of the source."""

    fee_ppm: Annotated[int, Field(ge=0, le=1_000_000, examples=[500])] = 0
    """What is kept of the amount sent, in parts per million, beside `fee`."""

    least: Annotated[Number, Field(examples=[Decimal("0.002")])] = Decimal(0)
    """The least that can be sent, in whole tokens of the source."""

    delay_s: Annotated[Seconds, Field(examples=[300])]
    """Seconds from sending until what arrives can be used."""

    gas: Annotated[int, Field(ge=0, le=30_000_000, examples=[21000])] = 0
    """Gas that sending burns, where it begins on the chain."""
