"""What the engine and the signer say to each other: length-prefixed JSON over a Unix socket.

A frame is four bytes of big-endian length and that many bytes of JSON, `{"type": …, "body": {…}}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.reasons import Reason
from bot.signer import wire
from bot.signer.wire import InvalidMessage
from bot.simulator.verdict import Verdict
from bot.transaction import Fees
from chains.assets import Address

HEADER_BYTES = 4
MAX_MESSAGE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class SignRequest:
    """An intent: sign the transaction that settles `plan`, if it is what `verdict` is about.

    The signer builds the transaction itself: `plan.executor_call(min_gain, min_out)` sent to `target` with
    `nonce` and `fees`. `plan` is `encode_plan`'s bytes. `code_hash` is the keccak-256 of the code found at
    `target` on the simulated head (0x-prefixed hex). `worst_case_wei` is the most the whole intent may lose,
    gas included, in wei of ETH; it stays reserved until `Settle`. `head_number` is the newest head known.
    """

    intent_id: str
    chain_id: int
    sender: Address
    target: Address
    code_hash: str
    plan: bytes
    min_gain: int
    min_out: int
    nonce: int
    fees: Fees
    worst_case_wei: int
    head_number: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Signed:
    """The signed transaction: its bytes and its hash (0x-prefixed hex). The same bytes for the same intent, always."""

    raw: bytes
    tx_hash: str


@dataclass(frozen=True, slots=True)
class Replace:
    """Sign an intent's call once more, to stand in place of what was signed before: the same call, higher fees.

    `again` is the request as it was, with the new fees, the worst case with them, and a verdict on that transaction.
    """

    again: SignRequest


@dataclass(frozen=True, slots=True)
class Cancel:
    """Sign a NOOP to stand in place of an intent's call: nothing, to the operator itself, with the same nonce."""

    intent_id: str
    fees: Fees


@dataclass(frozen=True, slots=True)
class Settle:
    """Evidence that an intent is over, releasing its reservation.

    `gas_cost_wei` is what the receipt shows, in the network's coin; `profit_wei` is what the trade gained before gas,
    in wei of ETH, negative if it lost.
    An intent that was signed and never sent settles with zeros: its bytes are not given again, and its nonce is free.
    """

    intent_id: str
    gas_cost_wei: int
    profit_wei: int


@dataclass(frozen=True, slots=True)
class Cover:
    """Whether both sides of an intent are done, or one is still to come, or again. It may yet be undone: its worst case
    stays reserved.
    """

    intent_id: str
    covered: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """What was said is taken. `loss_wei` is what the windows keep: the loss or, while that is not final, the worst."""

    loss_wei: int


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """How are you?"""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The books were just found to equal the chain: the dead man's switch is wound up again. Answered by `Status`."""


@dataclass(frozen=True, slots=True)
class StrategyUsage:
    """The budget in use now of one strategy, or of all: amounts in wei of ETH.

    `reserved_wei` by unsettled intents; losses, gas and exposure include it. `drawdown_wei` is what was booked only.
    """

    reserved_wei: int = 0
    hour_loss_wei: int = 0
    day_loss_wei: int = 0
    day_gas_wei: int = 0
    lifetime_loss_wei: int = 0
    exposure_wei: int = 0
    drawdown_wei: int = 0
    failures_in_a_row: int = 0
    transactions_a_minute: int = 0


@dataclass(frozen=True, slots=True)
class GrantUsage:
    """A grant in force: `drawn_wei` of `amount_wei` beyond `limit` of `strategy` (empty: all) until `not_after_s`."""

    strategy: str
    limit: str
    amount_wei: int
    drawn_wei: int
    not_after_s: int


@dataclass(frozen=True, slots=True)
class Status:
    """The signer's state. `policy_digest` is the SHA-256 of the policy file as read; `protections` those in force.

    `strategies` holds all together under the empty name; `switches` says how the kill switch stands for each; `grants`
    are those in force, by their id; `refused_grants` says why others are none; `limits` by how much a limit differs
    from the policy's, by strategy and name.
    """

    address: Address
    chain_id: int
    policy_digest: str
    signed: int
    unsettled: int
    protections: Mapping[str, bool]
    strategies: Mapping[str, StrategyUsage]
    switches: Mapping[str, str]
    grants: Mapping[str, GrantUsage]
    refused_grants: Mapping[str, str]
    limits: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Denial:
    """Why not. Nothing was signed."""

    reason: Reason
    detail: str


Request = SignRequest | Replace | Cancel | Settle | Cover | StatusRequest | Heartbeat
Response = Signed | Settled | Status | Denial

_TAGS: Mapping[str, type[Request | Response]] = {
    "sign": SignRequest,
    "replace": Replace,
    "cancel": Cancel,
    "settle": Settle,
    "cover": Cover,
    "status": StatusRequest,
    "heartbeat": Heartbeat,
    "signed": Signed,
    "settled": Settled,
    "state": Status,
    "denial": Denial,
}
_TAG_OF = {kind: tag for tag, kind in _TAGS.items()}
_REQUESTS = (SignRequest, Replace, Cancel, Settle, Cover, StatusRequest, Heartbeat)


def frame(message: Request | Response) -> bytes:
    """A message as it goes over the socket. Raises `InvalidMessage` when it is too long."""
    document = {"type": _TAG_OF[type(message)], "body": message}
    data = wire.encode(document)
    if len(data) > MAX_MESSAGE_BYTES:
        raise InvalidMessage(f"a message of {len(data)} bytes exceeds {MAX_MESSAGE_BYTES}")
    return len(data).to_bytes(HEADER_BYTES, "big") + data


def body_length(header: bytes) -> int:
    """The length a frame's first four bytes announce. Raises `InvalidMessage` when empty or too long."""
    length = int.from_bytes(header, "big")
    if not 0 < length <= MAX_MESSAGE_BYTES:
        raise InvalidMessage(f"a frame of {length} bytes; between 1 and {MAX_MESSAGE_BYTES} are allowed")
    return length


def parse_request(data: bytes) -> Request:
    """A frame's body as the signer reads it. Raises `InvalidMessage`."""
    message = _parse(data)
    if not isinstance(message, _REQUESTS):
        raise InvalidMessage(f"{_TAG_OF[type(message)]!r} is not a request")
    return message


def parse_response(data: bytes) -> Response:
    """A frame's body as the engine reads it. Raises `InvalidMessage`."""
    message = _parse(data)
    if isinstance(message, _REQUESTS):
        raise InvalidMessage(f"{_TAG_OF[type(message)]!r} is not a response")
    return message


def _parse(data: bytes) -> Request | Response:
    document = wire.read(data)
    if not isinstance(document, dict) or document.keys() != {"type", "body"}:
        raise InvalidMessage("a message has exactly the keys 'type' and 'body'")
    kind = _TAGS.get(document["type"]) if isinstance(document["type"], str) else None
    if kind is None:
        raise InvalidMessage(f"unknown message type; known are {', '.join(_TAGS)}")
    return wire.parse(kind, document["body"])
