"""What another Ethereum client makes of our transactions: eth_account's own words for them."""

from __future__ import annotations

from bot.transaction import UnsignedTransaction


def fields_of(tx: UnsignedTransaction) -> dict[str, object]:
    """The transaction as eth_account takes it."""
    return {
        "type": 2,
        "chainId": tx.chain_id,
        "nonce": tx.nonce,
        "to": tx.to,
        "value": tx.value_wei,
        "data": tx.data,
        "gas": tx.gas_limit,
        "maxFeePerGas": tx.max_fee_wei,
        "maxPriorityFeePerGas": tx.tip_wei,
    }
