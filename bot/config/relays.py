"""The run file's sections on private relays."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bot.config.section import Many, Section
from bot.config.values import PositiveSeconds, RelayUrl

LONGEST_NAME = 40
"""How many characters the ledger keeps of what a place or a relay is called; a database server takes no more."""

DestinationName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=LONGEST_NAME, examples=["flashbots"])]


class RelaySettings(Section):
    """A private relay that transactions can be sent to; `execution.send_to` says which are."""

    name: DestinationName
    """What it is called here: in `send_to`, the ledger and `isthmus relays`."""

    url: Annotated[RelayUrl, Field(examples=["https://relay.flashbots.net"])]
    """Where it is reached, over HTTP; `env:NAME` when the URL carries a key."""

    kind: Annotated[Literal["bundle", "private", "raw", "mev_share"], Field(examples=["bundle"])] = "bundle"
    """eth_sendBundle, eth_sendPrivateTransaction, eth_sendPrivateRawTransaction or mev_sendBundle."""

    networks: Annotated[tuple[str, ...], Field(strict=False, min_length=1, examples=[["ethereum"]]), Many] = (
        "ethereum",
    )
    """The networks whose block makers it reaches."""

    hints: Annotated[
        tuple[
            Literal["calldata", "contract_address", "function_selector", "hash", "logs", "tx_hash"],
            ...,
        ],
        Field(strict=False, examples=[["hash"]]),
        Many,
    ] = ("hash",)
    """What a relay of kind `mev_share` may tell others of a transaction before it is included."""

    signed: Annotated[bool, Field(examples=[True])] = True
    """Whether requests carry the X-Flashbots-Signature of the run's searcher identity."""

    timeout_s: Annotated[PositiveSeconds, Field(examples=[2])] = 2.0
    """Seconds without an answer after which it is not known whether it took a transaction."""
