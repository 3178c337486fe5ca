"""What a node said about a signed transaction. An answer nobody knows is UNKNOWN, never a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chains.anvil import RpcError


class SendStatus(StrEnum):
    """`UNKNOWN`: the node may or may not have the transaction; sending the same bytes again is safe."""

    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already_known"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class SendCause(StrEnum):
    """Why a node refused. `NONCE_TOO_LOW` may mean that this very transaction is already mined."""

    NONCE_TOO_LOW = "nonce_too_low"
    NONCE_TOO_HIGH = "nonce_too_high"
    REPLACEMENT_UNDERPRICED = "replacement_underpriced"
    FEE_TOO_LOW = "fee_too_low"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    GAS_LIMIT = "gas_limit"
    WRONG_CHAIN = "wrong_chain"
    MALFORMED = "malformed"
    POOL_FULL = "pool_full"


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """`tx_hash` is the hash of the bytes sent; `detail` is the node's own text, `cause` what it means."""

    status: SendStatus
    tx_hash: str
    detail: str = ""
    cause: SendCause | None = None


# Fragments of the nodes' own messages, lower case. Sources: go-ethereum core/error.go and core/txpool/errors.go,
# Foundry's anvil InvalidTransactionError, Nethermind AcceptTxResult, Besu TransactionInvalidReason and RpcErrorType,
# Erigon txpoolcfg DiscardReason. The first that is found counts.
_KNOWN = ("already known", "alreadyknown", "already imported", "known transaction", "with same hash")
_REFUSALS: tuple[tuple[SendCause, tuple[str, ...]], ...] = (
    (SendCause.NONCE_TOO_LOW, ("nonce too low", "oldnonce", "nonce_too_low")),
    (SendCause.NONCE_TOO_HIGH, ("nonce too high", "noncegap", "nonce_too_high")),
    (
        SendCause.REPLACEMENT_UNDERPRICED,
        (
            "replacement transaction underpriced",
            "transaction_replacement_underpriced",
            "could not replace existing tx",
            "replacementnotallowed",
        ),
    ),
    (
        SendCause.INSUFFICIENT_FUNDS,
        (
            "insufficient funds",
            "insufficientfunds",
            "upfront_cost_exceeds_balance",
            "upfront cost exceeds account balance",
        ),
    ),
    (
        SendCause.FEE_TOO_LOW,
        (
            "underpriced",
            "max fee per gas less than block base fee",
            "feetoolow",
            "fee too low",
            "gas price too low",
            "gas price below",
        ),
    ),
    (
        SendCause.GAS_LIMIT,
        (
            "intrinsic gas too low",
            "intrinsicgas",
            "intrinsic gas exceeds gas limit",
            "exceeds block gas limit",
            "gas limit too high",
            "gas limit is too high",
            "gas too high",
            "out of gas",
        ),
    ),
    (SendCause.WRONG_CHAIN, ("invalid chain id", "invalid chainid", "wrong chain", "chain id does not match")),
    (SendCause.POOL_FULL, ("pool is full", "in-flight transaction limit")),
    (
        SendCause.MALFORMED,
        (
            "failed to decode",
            "empty transaction data",
            "rlp:",
            "invalid sender",
            "invalid signature",
            "transaction type not supported",
            "max priority fee per gas higher than max fee per gas",
            "oversized data",
        ),
    ),
)


def read_refusal(error: RpcError, tx_hash: str) -> SendOutcome:
    """The outcome that a node's error answer to `eth_sendRawTransaction` stands for."""
    text = error.message.lower()
    if any(fragment in text for fragment in _KNOWN):
        return SendOutcome(SendStatus.ALREADY_KNOWN, tx_hash, error.message)
    for cause, fragments in _REFUSALS:
        if any(fragment in text for fragment in fragments):
            return SendOutcome(SendStatus.REFUSED, tx_hash, error.message, cause)
    return SendOutcome(SendStatus.UNKNOWN, tx_hash, error.message)
