"""Why a plan's tokens do not arrive: each is moved on the fork as the plan would move it, and balances are compared.

A tax keeps part of what is sent; a trap lets it in and not out again. Events are not believed, balances are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.plan import Plan
from bot.reasons import Reason
from bot.simulator.holdings import balance_call, read_balance
from bot.simulator.question import SURROUNDINGS, Environment
from chains.assets import ZERO_ADDRESS, Address
from chains.pools.words import selector, word

_GWEI = 10**9
_GAS_WEI = 10**18
_MOVE_GAS = 5_000_000
_PPM = 10**6
_ROUNDING = 2
"""Base units."""
_TRANSFER = selector("transfer(address,uint256)")


@dataclass(frozen=True, slots=True)
class Move:
    """`amount` base units of `token` on their way from a pool through the executor to whoever is next."""

    token: Address
    holder: Address
    through: Address
    to: Address
    amount: int


@dataclass(frozen=True, slots=True)
class TokenTrouble:
    """What is wrong with a token: `TOKEN_TAX` or `TOKEN_TRAP`, and one line that says how."""

    token: Address
    cause: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.cause.name}: token {self.token} {self.detail}"


def moves(plan: Plan, executor: Address) -> tuple[Move, ...]:
    """How the plan's tokens travel; the native coin and what a singleton keeps accounts of are not among them."""
    swaps = plan.swaps
    found = []
    for swap, following in zip(swaps, (*swaps[1:], swaps[0]), strict=True):
        token = Address(swap.token_out.address)
        if token != ZERO_ADDRESS and swap.hop.pool != token:
            found.append(Move(token, swap.hop.pool, executor, following.hop.pool, swap.amount_out))
    return tuple(found)


def question(move: Move, environment: Environment) -> tuple[Any, ...]:
    """The parameters of one `eth_simulateV1`: out of the pool, then half of it on to the next."""
    half = move.amount // 2
    calls = [
        balance_call((move.holder, move.token)),
        balance_call((move.through, move.token)),
        _moved(move, move.holder, move.through, move.amount, environment),
        balance_call((move.through, move.token)),
        balance_call((move.to, move.token)),
        _moved(move, move.through, move.to, half, environment),
        balance_call((move.to, move.token)),
    ]
    payers = {payer: {"balance": hex(_GAS_WEI)} for payer in (move.holder, move.through)}
    block = {
        "blockOverrides": environment.overrides(SURROUNDINGS[0]),
        "stateOverrides": payers,
        "calls": calls,
    }
    return {"blockStateCalls": [block], "validation": True}, hex(environment.head.number)


def read(move: Move, answer: Sequence[Mapping[str, Any]]) -> TokenTrouble | None:
    """What the answer to `question(move, …)` shows. None where all arrives, or the pool does not hold it by itself."""
    calls = answer[0]["calls"]
    pool, before, after, there, arrived = (
        read_balance((move.through, move.token), calls[at]) for at in (0, 1, 3, 4, 6)
    )
    half = move.amount // 2
    if pool < move.amount or not half:
        return None
    if not _done(calls[2]):
        return TokenTrouble(move.token, Reason.TOKEN_TRAP, "does not leave the pool")
    short = _short(move.token, move.amount, after - before, "on its way out of the pool")
    if short is not None:
        return short
    if not _done(calls[5]):
        return TokenTrouble(move.token, Reason.TOKEN_TRAP, "does not leave its buyer again")
    if move.to == move.through:
        return None
    return _short(move.token, half, arrived - there, "when its buyer passes it on")


def _short(token: Address, sent: int, arrived: int, when: str) -> TokenTrouble | None:
    """What is missing of what was sent; None where it is what balances that are shares of a pot lose by rounding."""
    kept_ppm = (sent - arrived) * _PPM // sent
    if sent - arrived <= _ROUNDING or not kept_ppm:
        return None
    if arrived <= 0:
        return TokenTrouble(token, Reason.TOKEN_TRAP, f"vanishes {when}")
    return TokenTrouble(token, Reason.TOKEN_TAX, f"keeps {kept_ppm} ppm {when}")


def _done(call: Mapping[str, Any]) -> bool:
    """ERC-20 lets a token answer false instead of reverting, and some answer nothing at all."""
    answered = bytes.fromhex(call["returnData"][2:])
    return bool(call["status"] == "0x1" and (not answered or any(answered[:32])))


def _moved(move: Move, giver: Address, taker: Address, amount: int, environment: Environment) -> dict[str, str]:
    fee_wei = environment.base_fee_wei + _GWEI
    return {
        "type": "0x2",
        "from": giver,
        "to": move.token,
        "input": "0x" + (_TRANSFER + bytes(12) + bytes.fromhex(taker[2:]) + word(amount)).hex(),
        "gas": hex(_MOVE_GAS),
        "maxFeePerGas": hex(fee_wei),
        "maxPriorityFeePerGas": hex(_GWEI),
    }
