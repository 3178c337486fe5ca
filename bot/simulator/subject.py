"""What `isthmus simulate` can be told to simulate, read: plans and transactions, from files, hashes and raw bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import orjson
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from bot.plan import InvalidPlan, Plan, decode_plan
from bot.transaction import UnsignedTransaction
from chains.assets import InvalidAddress, address

HASH = re.compile(r"0x[0-9a-fA-F]{64}")
PLAN_ID = re.compile(r"[0-9a-f]{32}")
_RAW = re.compile(r"0x(?:[0-9a-fA-F]{2}){65,}")
_DYNAMIC_FEE = 2


class UnknownSubject(ValueError):
    """Text that names nothing that can be simulated; the message says what can."""


class Asked(Protocol):
    """A node, as far as a transaction is asked of it."""

    async def request(self, method: str, *params: Any) -> Any: ...


def read_file(path: Path) -> Plan | UnsignedTransaction:
    """A plan as the ledger keeps it, or a transaction in the fields of JSON-RPC. Raises `UnknownSubject`."""
    try:
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise UnknownSubject(f"{path} cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise UnknownSubject(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UnknownSubject(f"{path} holds neither a plan nor a transaction")
    if not document.keys() & {"legs", "from"}:
        raise UnknownSubject(f"{path} holds neither a plan, which has legs, nor a transaction, which is from somebody")
    try:
        if "legs" not in document:
            return transaction_of(document)
        return decode_plan(orjson.dumps(document, option=orjson.OPT_SORT_KEYS))
    except (InvalidPlan, UnknownSubject) as error:
        raise UnknownSubject(f"{path}: {error}") from None


def read_raw(text: str) -> UnsignedTransaction:
    """A signed transaction of EIP-1559, as hex. Raises `UnknownSubject`."""
    if not _RAW.fullmatch(text):
        raise UnknownSubject(f"{text[:40]!r} is no plan's id, no file, no transaction's hash and no signed transaction")
    raw = bytes.fromhex(text[2:])
    if raw[0] != _DYNAMIC_FEE:
        raise UnknownSubject("only signed transactions of type 2 (EIP-1559) are read; name others by their hash")
    try:
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        sender = Account.recover_transaction(raw)
    except Exception as error:
        raise UnknownSubject(f"not a signed transaction: {error}") from None
    return transaction_of({**fields, "from": sender, "input": fields["data"], "to": fields["to"] or None})


async def of_hash(tx_hash: str, node: Asked) -> tuple[UnsignedTransaction, int | None]:
    """A transaction the node knows, and the block it is in, if it is in one. Raises `UnknownSubject`, `NodeError`."""
    found = await node.request("eth_getTransactionByHash", tx_hash)
    if found is None:
        raise UnknownSubject(
            f"the node knows no transaction {tx_hash}; of one that a run sent, `isthmus why` tells what it saw"
        )
    number = found.get("blockNumber")
    return transaction_of(found), None if number is None else int(number, 16)


def transaction_of(fields: Mapping[str, Any]) -> UnsignedTransaction:
    """A call in the fields of JSON-RPC; one of an older type offers its gas price. Raises `UnknownSubject`."""
    if fields.get("to") is None:
        raise UnknownSubject("it creates a contract; only calls are simulated")
    if fields.get("accessList") or fields.get("blobVersionedHashes") or fields.get("authorizationList"):
        raise UnknownSubject("it carries an access list, blobs or delegations, which are not simulated")
    try:
        price = fields.get("gasPrice", 0)
        return UnsignedTransaction(
            chain_id=_number(fields["chainId"]),
            nonce=_number(fields["nonce"]),
            sender=address(_hex(fields["from"])),
            to=address(_hex(fields["to"])),
            value_wei=_number(fields.get("value", 0)),
            data=bytes.fromhex(_hex(fields.get("input", fields.get("data", "0x")))[2:]),
            gas_limit=_number(fields["gas"]),
            max_fee_wei=_number(fields.get("maxFeePerGas", price)),
            tip_wei=_number(fields.get("maxPriorityFeePerGas", price)),
        )
    except KeyError as error:
        raise UnknownSubject(f"the transaction has no {error}; it needs from, to, chainId, nonce and gas") from None
    except (InvalidAddress, TypeError, ValueError) as error:
        raise UnknownSubject(f"the transaction cannot be read: {error}") from None


def _number(value: object) -> int:
    return int(value, 16) if isinstance(value, str) else int(value)  # type: ignore[call-overload]


def _hex(value: object) -> str:
    return "0x" + value.hex().removeprefix("0x") if isinstance(value, bytes) else str(value)
