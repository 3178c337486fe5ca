"""What a transaction did to our own accounts, read from its receipt: ERC-20 transfers, exact, in base units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from chains.assets import Address, address
from chains.blocks import Receipt

TRANSFER_TOPIC = bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
"""keccak256("Transfer(address,address,uint256)") (EIP-20)."""

Deltas = Mapping[tuple[Address, Address], int]
"""Base units gained by (account, token); losses are negative, zeroes absent."""


def transfer_deltas(receipt: Receipt, accounts: Collection[Address]) -> Deltas:
    """Net ERC-20 movement of each of `accounts`. Logs that are not plain ERC-20 transfers are passed over."""
    deltas: defaultdict[tuple[Address, Address], int] = defaultdict(int)
    for log in receipt.logs:
        if len(log.topics) != 3 or log.topics[0] != TRANSFER_TOPIC or len(log.data) != 32:
            continue
        amount = int.from_bytes(log.data, "big")
        for topic, sign in ((log.topics[1], -1), (log.topics[2], +1)):
            account = address("0x" + topic[12:].hex())
            if account in accounts:
                deltas[account, log.address] += sign * amount
    return {key: delta for key, delta in deltas.items() if delta}
