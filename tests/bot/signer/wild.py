"""Transactions nobody should sign, by the thousand: other types and encodings, wild requests, wild plans, replays.

The judge is not the signer's own code: what it gives is decoded by eth-account and held against the policy's bounds.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import rlp

from bot.plan import Plan, Swap, encode_plan
from bot.reasons import Reason
from bot.signer.checks import review
from bot.signer.journal import Journal
from bot.signer.protocol import HEADER_BYTES, Cancel, Denial, Replace, Settle, Settled, Signed, SignRequest, frame
from bot.signer.service import Signer
from bot.transaction import Fees
from chains.assets import Address
from chains.executor import InvalidCallData
from tests.bot.signer.conftest import new_signer, new_switch
from tests.bot.signer.envelopes import FIELDS, GOOD, TO, typed
from tests.bot.signer.inside import assert_inside_policy
from tests.bot.signer.making import (
    CYCLE,
    DAI,
    ETHER,
    EXCHANGE,
    EXCHANGE_WORST_WEI,
    EXECUTOR,
    FEES,
    GAIN,
    GWEI,
    HEAD,
    INVENTORY,
    OTHER,
    USDC,
    V2_POOL,
    V3_POOL,
    WETH,
    HandClock,
    answer,
    ask,
)

FRESH_EVERY = 200
_NUMBERS = ("0", "1", "-1", "7", "1000", "1002", "31337", str(2**63), str(2**128), str(10**18), "0x1", "", "null")
_WILD = (None, True, [], {}, 3.5, "x" * 50, "0x" + "00" * 20, EXECUTOR, OTHER, *_NUMBERS)


class Outside(AssertionError):
    """Something was signed, or permitted, that the policy does not allow; the message is the case."""


def offer(seed: int, count: int) -> Counter[str]:
    """Offer `count` transactions; how many of each kind were refused or signed. Raises `Outside`."""
    rng = random.Random(seed)
    seen: Counter[str] = Counter()
    kinds = (_payload, _request, _plan, _replay)
    for first in range(0, count, FRESH_EVERY):
        with fresh_signer() as signer:
            for number in range(first, min(first + FRESH_EVERY, count)):
                kind = kinds[number % len(kinds)]
                try:
                    seen[f"{kind.__name__[1:]} {kind(rng, signer)}"] += 1
                except AssertionError as error:
                    raise Outside(f"seed {seed}, offer {number} ({kind.__name__[1:]}): {error}") from error
    return seen


@contextmanager
def fresh_signer() -> Iterator[Signer]:
    """One that has signed nothing yet."""
    clock = HandClock()
    with TemporaryDirectory(prefix="isthmus-") as folder, Journal(Path(folder) / "signer.db") as journal:
        yield new_signer(journal, clock, new_switch(Path(folder) / "memory" / "control", clock))


def _payload(rng: random.Random, signer: Signer) -> str:
    """Bytes beneath the encoder: whatever is not the approved call, byte for byte, is refused."""
    payload = rng.choice((_typed, _legacy, _delegating, _mutated, _spliced, _noise))(rng)
    refusal = review(dataclasses.replace(GOOD, payload=payload))
    if payload == GOOD.payload:
        assert refusal is None, refusal
        return "permitted"
    assert refusal is not None, payload.hex()
    assert refusal.reason is Reason.SIGNER_TYPE, refusal
    return "refused"


def _fields(rng: random.Random) -> list[Any]:
    fields: list[Any] = list(FIELDS)
    for _ in range(rng.randint(0, 2)):
        wild = (b"", b"\0", rng.randbytes(rng.choice((1, 8, 20, 32, 33))), [], [[TO, []]], TO)
        fields[rng.randrange(len(fields))] = rng.choice(wild)
    return fields


def _typed(rng: random.Random) -> bytes:
    return typed(rng.choice((0, 1, 2, 2, 2, 3, 4, 5, 0x7E)), _fields(rng))


def _legacy(rng: random.Random) -> bytes:
    chain = rng.choice(([], [b"", b"", b""], [b"\x01", b"", b""], [FIELDS[0], b"", b""]))
    return bytes(rlp.encode([*_fields(rng)[1:4], *FIELDS[5:8], *chain]))


def _delegating(rng: random.Random) -> bytes:
    """EIP-7702: the account's code handed to somebody."""
    authorisation = [FIELDS[0], rng.randbytes(20), b"\x07", b"\x01", rng.randbytes(32), rng.randbytes(32)]
    return typed(rng.choice((2, 4)), [*FIELDS, [authorisation] * rng.randint(1, 3)])


def _mutated(rng: random.Random) -> bytes:
    data = bytearray(GOOD.payload)
    for _ in range(rng.randint(1, 3)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def _spliced(rng: random.Random) -> bytes:
    cut, again = sorted(rng.randrange(len(GOOD.payload)) for _ in range(2))
    return rng.choice((GOOD.payload[:cut], GOOD.payload[cut:], GOOD.payload[:again] + GOOD.payload[cut:]))


def _noise(rng: random.Random) -> bytes:
    return rng.randbytes(rng.randint(0, 200))


def _request(rng: random.Random, signer: Signer) -> str:
    """A good request with one to three values changed to something else."""
    document = json.loads(frame(_asked(rng, rng.choice((CYCLE, EXCHANGE))))[HEADER_BYTES:])
    for _ in range(rng.randint(1, 3)):
        path = rng.choice(list(_places(document)))
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = rng.choice(_WILD)
    return _judged(signer.answer(json.dumps(document).encode()))


def _places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            yield (*path, key)
            yield from _places(document[key], (*path, key))


def _plan(rng: random.Random, signer: Signer) -> str:
    """An engine gone wild, and consistent: the verdict is about the very transaction it asks for."""
    plan = rng.choice((CYCLE, EXCHANGE))
    legs = list(plan.legs)
    for index, leg in enumerate(legs):
        if isinstance(leg, Swap) and rng.random() < 0.3:
            pool = rng.choice((V2_POOL, V3_POOL, OTHER, EXECUTOR, INVENTORY, Address(WETH.address)))
            legs[index] = dataclasses.replace(leg, hop=dataclasses.replace(leg.hop, pool=pool))
        elif isinstance(leg, Swap) and rng.random() < 0.2:
            token = rng.choice((WETH, USDC, DAI))
            legs[index] = dataclasses.replace(leg, token_out=token, amount_in=rng.randint(0, 20 * ETHER))
    changes: dict[str, Any] = {"legs": tuple(legs)}
    if rng.random() < 0.3:
        changes["deadline_block"] = HEAD + rng.randint(-1, 9)
    if rng.random() < 0.3:
        changes["strategy"] = rng.choice(("sandwich", EXCHANGE.strategy, CYCLE.strategy))
    wild = dataclasses.replace(plan, **changes)
    try:
        request = _asked(rng, wild)
    except (InvalidCallData, ValueError):
        request = dataclasses.replace(_asked(rng, plan), plan=encode_plan(wild))
    return _judged(answer(signer, request))


def _asked(rng: random.Random, plan: Plan) -> SignRequest:
    fees = FEES
    if rng.random() < 0.3:
        fees = Fees(rng.randint(0, 1_200_000), rng.randint(0, 120 * GWEI), rng.randint(0, 8 * GWEI))
    number = rng.randint(0, 10**6)
    return ask(
        plan,
        intent_id=f"intent-{number}",
        nonce=number,
        fees=fees,
        worst_case_wei=max(fees.worst_cost_wei, rng.choice((0, EXCHANGE_WORST_WEI, EXCHANGE_WORST_WEI))),
        min_gain=(GAIN if rng.random() < 0.8 else rng.randint(0, GAIN)) if plan.atomic else 0,
        min_out=0 if plan.atomic else (1_995 * 10**6 if rng.random() < 0.8 else rng.randint(0, 2_000 * 10**6)),
        target=EXECUTOR if rng.random() < 0.9 else OTHER,
        simulated=plan.swaps[0].hop.pool != "",
    )


def _replay(rng: random.Random, signer: Signer) -> str:
    """A signature, and then whatever would be a second one for its nonce."""
    number = rng.randint(10**7, 10**9)
    good = ask(intent_id=f"intent-{number}", nonce=number)
    first = answer(signer, good)
    if not isinstance(first, Signed):
        return _judged(first)
    assert_inside_policy(first)
    again = answer(signer, good)
    assert again == first, "the same intent gave other bytes"
    for other in (
        ask(intent_id=f"other-{number}", nonce=number),
        ask(intent_id=good.intent_id, nonce=number + 1),
        ask(intent_id=good.intent_id, nonce=number, min_gain=GAIN - 1),
        ask(EXCHANGE, intent_id=good.intent_id, nonce=number),
    ):
        refused = answer(signer, other)
        assert isinstance(refused, Denial), "a second transaction was signed"
        assert refused.reason is Reason.SIGNER_NONCE, refused
    cheaper = dataclasses.replace(FEES, max_fee_wei=FEES.max_fee_wei * 9 // 8 - 1)
    bumped = signer.answer(frame(Replace(ask(intent_id=good.intent_id, nonce=number, fees=cheaper)))[HEADER_BYTES:])
    assert isinstance(bumped, Denial), "a replacement was signed that no node takes"
    dear = Fees(21_000, 101 * GWEI, GWEI)
    noop = signer.answer(frame(Cancel(good.intent_id, dear))[HEADER_BYTES:])
    assert isinstance(noop, Denial), "a NOOP was signed beyond the caps"
    settled = answer(signer, Settle(good.intent_id, 1, 1))
    assert isinstance(settled, Settled), settled
    gone = answer(signer, ask(intent_id=f"after-{number}", nonce=number))
    assert isinstance(gone, Denial) and gone.reason is Reason.SIGNER_NONCE, "a used nonce was signed again"
    return "refused"


def _judged(response: object) -> str:
    if isinstance(response, Signed):
        assert_inside_policy(response)
        return "signed"
    assert isinstance(response, Denial), response
    assert response.reason is not Reason.SIGNER_INTERNAL, response
    return "refused"
