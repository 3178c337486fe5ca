"""The corpus of what the signer refuses: one thing wrong at a time, and the reason it must give."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from bot.plan import Plan, Swap, encode_plan
from bot.reasons import Reason
from bot.signer.protocol import SignRequest
from bot.simulator.verdict import Outcome
from bot.transaction import Fees
from chains.assets import ZERO_ADDRESS, Address, Token, address
from chains.executor import CurveRoute, HopKind
from tests.bot.signer.making import (
    BLOCK_HASH,
    CODE_HASH,
    CYCLE,
    DAI,
    ETHER,
    EXCHANGE,
    EXCHANGE_WORST_WEI,
    EXCHANGES,
    EXECUTOR,
    FEES,
    GAIN,
    GAS_COST_WEI,
    GWEI,
    HEAD,
    INVENTORY,
    NOW_S,
    OPERATOR,
    OTHER,
    USDC,
    V2_POOL,
    WETH,
    WORST_CASE_WEI,
    ask,
    transaction_of,
)


def changed(plan: Plan, **changes: Any) -> Plan:
    return dataclasses.replace(plan, **changes)


def with_swap(plan: Plan, index: int, **changes: Any) -> Plan:
    legs = list(plan.legs)
    legs[index] = dataclasses.replace(legs[index], **changes)
    return changed(plan, legs=tuple(legs))


def with_hop(plan: Plan, index: int, **changes: Any) -> Plan:
    swap = plan.legs[index]
    assert isinstance(swap, Swap)
    return with_swap(plan, index, hop=dataclasses.replace(swap.hop, **changes))


def _curve(token: Token, i: int = 0) -> dict[str, Any]:
    """A Curve hop that buys `token`, as changes of another hop."""
    route = CurveRoute(Address(token.address), i, 1)
    return {"kind": HopKind.CURVE, "zero_for_one": False, "route": route}


def fees(**changes: int) -> Fees:
    return dataclasses.replace(FEES, **changes)


COINS = Token("ethereum", ZERO_ADDRESS, "ETH", 18)
DAI_CYCLE = with_swap(with_swap(CYCLE, 0, token_in=DAI), 1, token_out=DAI)
DAI_EXCHANGE = with_swap(EXCHANGE, 0, token_out=DAI)
NAMED = Token("ethereum", "WETH", "WETH", 18)
NO_CODE = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
"""The keccak-256 of nothing."""

UNSORTED = json.dumps(dict(reversed(json.loads(encode_plan(CYCLE)).items())), separators=(",", ":")).encode()
SOLD_CHEAP = dataclasses.replace(EXCHANGE.swaps[0], amount_out=200 * 10**6)
NOTHING_FOLLOWS = changed(EXCHANGE, legs=(dataclasses.replace(EXCHANGE.swaps[0], amount_out=1_800 * 10**6),))
"""It gives away a tenth, by the marks, and has no order that could bring it back."""
FLIPPED = "".join("0" if digit != "0" else "1" for digit in ask().verdict.tx_digest[:1]) + ask().verdict.tx_digest[1:]

REQUESTS: dict[str, tuple[SignRequest, Reason]] = {
    # what it is about
    "another chain": (ask(chain_id=1), Reason.SIGNER_CHAIN_ID),
    "no chain": (ask(chain_id=0), Reason.SIGNER_CHAIN_ID),
    "another network's plan": (ask(changed(CYCLE, network="base")), Reason.SIGNER_NETWORK),
    "an unknown strategy": (ask(changed(CYCLE, strategy="sandwich")), Reason.SIGNER_STRATEGY),
    "another operator": (ask(sender=OTHER), Reason.SIGNER_OPERATOR),
    "the executor as operator": (ask(sender=EXECUTOR), Reason.SIGNER_OPERATOR),
    "another target": (ask(target=OTHER), Reason.SIGNER_TARGET),
    "the token as target": (ask(target=Address(WETH.address)), Reason.SIGNER_TARGET),
    "the inventory as target": (ask(target=INVENTORY), Reason.SIGNER_TARGET),
    "other code at the target": (ask(code_hash="0x" + "00" * 32), Reason.SIGNER_CODE_HASH),
    "no code hash": (ask(code_hash=""), Reason.SIGNER_CODE_HASH),
    # tokens and pools
    "a cycle in a token not listed": (ask(DAI_CYCLE), Reason.SIGNER_TOKEN),
    "an exchange into a token not listed": (ask(DAI_EXCHANGE), Reason.SIGNER_TOKEN),
    "an exchange out of a token not listed": (ask(with_swap(EXCHANGE, 0, token_in=DAI)), Reason.SIGNER_TOKEN),
    "a pool not listed": (ask(with_hop(CYCLE, 1, pool=OTHER)), Reason.SIGNER_POOL),
    "a token as pool": (ask(with_hop(CYCLE, 0, pool=Address(USDC.address))), Reason.SIGNER_POOL),
    "the executor as pool": (ask(with_hop(CYCLE, 0, pool=EXECUTOR)), Reason.SIGNER_POOL),
    # size
    "too much gas": (ask(fees=fees(gas_limit=1_000_001)), Reason.SIGNER_GAS_LIMIT),
    "too little gas": (ask(fees=fees(gas_limit=20_999)), Reason.SIGNER_GAS_LIMIT),
    "too high a fee": (ask(fees=fees(max_fee_wei=100 * GWEI + 1)), Reason.SIGNER_MAX_FEE),
    "too high a tip": (ask(fees=fees(tip_wei=5 * GWEI + 1)), Reason.SIGNER_TIP),
    "bytes that cost more than the trade gains": (
        ask(fees=Fees(300_000, 40 * GWEI, GWEI, data_fee_wei=10**20), worst_case_wei=10**20 + 10**18),
        Reason.SIGNER_MIN_PROFIT,
    ),
    "a tip above the fee": (ask(fees=Fees(300_000, GWEI, GWEI + 1)), Reason.SIGNER_TIP),
    "an exchange above its cap": (ask(with_swap(EXCHANGE, 0, amount_in=10 * ETHER + 1)), Reason.SIGNER_AMOUNT),
    "nonce 2^63": (ask(nonce=2**63), Reason.SIGNER_NONCE),
    "a negative nonce": (ask(nonce=-1, simulated=False), Reason.SIGNER_MALFORMED),
    "a negative gas limit": (ask(fees=fees(gas_limit=-1), simulated=False), Reason.SIGNER_MALFORMED),
    "a negative tip": (ask(fees=fees(tip_wei=-1), simulated=False), Reason.SIGNER_MALFORMED),
    "a gain of 2^128": (ask(min_gain=2**128, simulated=False), Reason.SIGNER_MALFORMED),
    # time
    "an expired deadline": (ask(changed(CYCLE, deadline_block=HEAD)), Reason.SIGNER_DEADLINE),
    "a last second in an hour": (ask(changed(CYCLE, deadline_s=int(NOW_S) + 3601)), Reason.SIGNER_DEADLINE),
    "a distant deadline": (ask(changed(CYCLE, deadline_block=HEAD + 6)), Reason.SIGNER_DEADLINE),
    # profit the call enforces
    "a plan content with less": (ask(changed(CYCLE, min_profit_wei=10**15 - 1)), Reason.SIGNER_MIN_PROFIT),
    "no minimum gain": (ask(min_gain=0), Reason.SIGNER_MIN_PROFIT),
    "a gain that gas eats": (ask(min_gain=GAS_COST_WEI + 10**15 - 1), Reason.SIGNER_MIN_PROFIT),
    "no minimum out": (ask(EXCHANGE, min_out=0), Reason.SIGNER_SLIPPAGE),
    "a minimum out below the slippage": (ask(EXCHANGE, min_out=1_990 * 10**6 - 1), Reason.SIGNER_SLIPPAGE),
    # the simulation
    "a digest one digit off": (ask(verdict={"tx_digest": FLIPPED}), Reason.SIGNER_VERDICT_MISMATCH),
    "no digest": (ask(verdict={"tx_digest": ""}), Reason.SIGNER_VERDICT_MISMATCH),
    "another nonce simulated": (dataclasses.replace(ask(), nonce=8), Reason.SIGNER_VERDICT_MISMATCH),
    "another gain simulated": (dataclasses.replace(ask(), min_gain=GAIN - 1), Reason.SIGNER_VERDICT_MISMATCH),
    "other fees simulated": (dataclasses.replace(ask(), fees=fees(tip_wei=GWEI + 1)), Reason.SIGNER_VERDICT_MISMATCH),
    "another block's hash": (ask(verdict={"block_hash": "0x" + "22" * 32}), Reason.SIGNER_VERDICT_MISMATCH),
    "a reverted simulation": (ask(verdict={"outcome": Outcome.REVERTED}), Reason.SIGNER_VERDICT_FAILED),
    "an invalid simulation": (ask(verdict={"outcome": Outcome.INVALID}), Reason.SIGNER_VERDICT_FAILED),
    "a simulation without gas": (ask(verdict={"gas_used": 0}), Reason.SIGNER_VERDICT_FAILED),
    "more gas than the limit": (ask(verdict={"gas_used": 300_001, "gas_price_wei": 1}), Reason.SIGNER_VERDICT_FAILED),
    "gas dearer than the fee": (
        ask(verdict={"gas_price_wei": 40 * GWEI + 1}, min_gain=2 * GAIN),
        Reason.SIGNER_VERDICT_FAILED,
    ),
    "two blocks behind": (
        ask(changed(CYCLE, block_number=HEAD - 5), verdict={"block_number": HEAD - 2}),
        Reason.SIGNER_VERDICT_STALE,
    ),
    "before the plan's block": (ask(verdict={"block_number": HEAD - 1}), Reason.SIGNER_VERDICT_STALE),
    "ahead of the head": (ask(verdict={"block_number": HEAD + 1}), Reason.SIGNER_VERDICT_STALE),
    "simulated too long ago": (ask(verdict={"made_at_s": NOW_S - 12.5}), Reason.SIGNER_VERDICT_STALE),
    "simulated in the future": (ask(verdict={"made_at_s": NOW_S + 2}), Reason.SIGNER_VERDICT_STALE),
    "a simulation that never says when": (ask(verdict={"made_at_s": 0.0}), Reason.SIGNER_VERDICT_STALE),
    "no gain": (ask(verdict={"deltas": {}}), Reason.SIGNER_VERDICT_UNPROFITABLE),
    "a gain one wei short": (
        ask(verdict={"deltas": {(EXECUTOR, Address(WETH.address)): GAS_COST_WEI + 10**15 - 1}}),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "somebody else's gain": (
        ask(verdict={"deltas": {(OTHER, Address(WETH.address)): GAIN}}),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "a gain in another token": (
        ask(verdict={"deltas": {(EXECUTOR, Address(DAI.address)): GAIN}}),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "an inventory that gets too little": (
        ask(EXCHANGE, verdict={"deltas": {(INVENTORY, Address(USDC.address)): 1_995 * 10**6 - 1}}),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "an inventory that pays too much": (
        ask(
            EXCHANGE,
            verdict={
                "deltas": {
                    (INVENTORY, Address(USDC.address)): 2_000 * 10**6,
                    (INVENTORY, Address(WETH.address)): -ETHER - 1,
                }
            },
        ),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "an executor that pays a token's fee": (
        ask(
            EXCHANGE,
            verdict={
                "deltas": {
                    (INVENTORY, Address(USDC.address)): 2_000 * 10**6,
                    (INVENTORY, Address(WETH.address)): -ETHER,
                    (EXECUTOR, Address(WETH.address)): -1,
                }
            },
        ),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "an exchange that expects too little": (
        ask(changed(EXCHANGE, expected_profit_wei=GAS_COST_WEI)),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    # budgets
    "a worst case below its own gas": (ask(worst_case_wei=FEES.worst_cost_wei - 1), Reason.SIGNER_WORST_CASE),
    "more than one trade may risk": (ask(worst_case_wei=2 * ETHER + 1), Reason.SIGNER_BUDGET_PER_TRADE),
    # plans that make no sense
    "no swaps": (dataclasses.replace(ask(), plan=b'{"legs":[]}'), Reason.SIGNER_MALFORMED),
    "a plan that is not one": (dataclasses.replace(ask(), plan=b"0x"), Reason.SIGNER_MALFORMED),
    "a plan with a space": (dataclasses.replace(ask(), plan=ask().plan + b" "), Reason.SIGNER_MALFORMED),
    "a strategy that is no text": (ask(changed(CYCLE, strategy=None)), Reason.SIGNER_MALFORMED),
    "a plan atomic by hearsay": (ask(changed(CYCLE, atomic="yes")), Reason.SIGNER_MALFORMED),
    "an open cycle": (ask(changed(CYCLE, legs=CYCLE.legs[:1])), Reason.SIGNER_MALFORMED),
    "a closed exchange": (ask(changed(CYCLE, atomic=False, strategy=EXCHANGES)), Reason.SIGNER_MALFORMED),
    "an atomic plan with an order": (
        ask(changed(CYCLE, legs=(*CYCLE.legs, EXCHANGE.legs[1]))),
        Reason.SIGNER_MALFORMED,
    ),
    "an order before its swap": (ask(changed(EXCHANGE, legs=EXCHANGE.legs[::-1])), Reason.SIGNER_MALFORMED),
    "swaps that do not join": (ask(with_swap(CYCLE, 1, token_in=DAI)), Reason.SIGNER_MALFORMED),
    "a lower-case pool": (
        ask(with_hop(CYCLE, 0, pool=Address(CYCLE.swaps[0].hop.pool.lower()))),
        Reason.SIGNER_MALFORMED,
    ),
    "the zero address as pool": (ask(with_hop(CYCLE, 0, pool=address("0x" + "00" * 20))), Reason.SIGNER_MALFORMED),
    "a direction that is no truth": (
        ask(with_hop(CYCLE, 0, zero_for_one=None), simulated=False),
        Reason.SIGNER_MALFORMED,
    ),
    "a fee of 25 bits": (ask(with_hop(CYCLE, 0, fee_ppm=2**24), simulated=False), Reason.SIGNER_MALFORMED),
    "a route to another token than the swap's": (ask(with_hop(CYCLE, 0, **_curve(DAI))), Reason.SIGNER_MALFORMED),
    "a route that does not fit": (
        ask(with_hop(CYCLE, 0, **_curve(USDC, i=256)), simulated=False),
        Reason.SIGNER_MALFORMED,
    ),
    "coins out of a pair": (ask(with_swap(CYCLE, 0, token_out=COINS)), Reason.SIGNER_MALFORMED),
    "a token as a vault that is no pool of the policy": (
        ask(with_hop(CYCLE, 0, kind=HopKind.ERC4626, pool=Address(USDC.address))),
        Reason.SIGNER_POOL,
    ),
    "the executor as a vault": (ask(with_hop(CYCLE, 0, kind=HopKind.ERC4626, pool=EXECUTOR)), Reason.SIGNER_POOL),
    "nothing in": (ask(with_swap(CYCLE, 0, amount_in=0)), Reason.SIGNER_MALFORMED),
    "a negative quote": (ask(with_swap(EXCHANGE, 0, amount_out=-1)), Reason.SIGNER_MALFORMED),
    "a deadline before time": (ask(changed(CYCLE, deadline_block=-1), simulated=False), Reason.SIGNER_MALFORMED),
    "an intent without a name": (ask(intent_id=""), Reason.SIGNER_MALFORMED),
    "an intent with too long a name": (ask(intent_id="x" * 129), Reason.SIGNER_MALFORMED),
    "a negative worst case": (ask(worst_case_wei=-1), Reason.SIGNER_MALFORMED),
    # more of the same, from other sides
    "chain 2^53": (ask(chain_id=2**53), Reason.SIGNER_CHAIN_ID),
    "a negative chain": (ask(chain_id=-1), Reason.SIGNER_CHAIN_ID),
    "the other test chain": (ask(chain_id=1337), Reason.SIGNER_CHAIN_ID),
    "an exchange on another chain": (ask(EXCHANGE, chain_id=8453), Reason.SIGNER_CHAIN_ID),
    "a plan of no network": (ask(changed(CYCLE, network="")), Reason.SIGNER_NETWORK),
    "a network in capitals": (ask(changed(CYCLE, network="Ethereum")), Reason.SIGNER_NETWORK),
    "a strategy without a name": (ask(changed(CYCLE, strategy="")), Reason.SIGNER_STRATEGY),
    "a strategy in capitals": (ask(changed(CYCLE, strategy=CYCLE.strategy.upper())), Reason.SIGNER_STRATEGY),
    "a strategy with a space": (ask(changed(CYCLE, strategy=f"{CYCLE.strategy} ")), Reason.SIGNER_STRATEGY),
    "the operator as target": (ask(target=OPERATOR), Reason.SIGNER_TARGET),
    "nobody as target": (ask(target=ZERO_ADDRESS), Reason.SIGNER_TARGET),
    "a pool as target": (ask(target=V2_POOL), Reason.SIGNER_TARGET),
    "an exchange at another target": (ask(EXCHANGE, target=OTHER), Reason.SIGNER_TARGET),
    "a code hash one digit off": (ask(code_hash=CODE_HASH[:-1] + "c"), Reason.SIGNER_CODE_HASH),
    "a code hash in capitals": (ask(code_hash=CODE_HASH.upper()), Reason.SIGNER_CODE_HASH),
    "code that nobody looked at": (ask(verdict={"code_hash": ""}), Reason.SIGNER_CODE_HASH),
    "code that changed before the simulation": (ask(verdict={"code_hash": "0x" + "cd" * 32}), Reason.SIGNER_CODE_HASH),
    "no code at the simulated target": (ask(verdict={"code_hash": NO_CODE}), Reason.SIGNER_CODE_HASH),
    "an exchange with other code": (ask(EXCHANGE, verdict={"code_hash": "0x"}), Reason.SIGNER_CODE_HASH),
    "a pool of nobody's in the first hop": (ask(with_hop(CYCLE, 0, pool=OTHER)), Reason.SIGNER_POOL),
    "the inventory as pool": (ask(with_hop(CYCLE, 0, pool=INVENTORY)), Reason.SIGNER_POOL),
    "the operator as pool": (ask(with_hop(CYCLE, 1, pool=OPERATOR)), Reason.SIGNER_POOL),
    "a profit token as pool": (ask(with_hop(CYCLE, 1, pool=Address(WETH.address))), Reason.SIGNER_POOL),
    "an exchange through a pool not listed": (ask(with_hop(EXCHANGE, 0, pool=OTHER)), Reason.SIGNER_POOL),
    "gas limit zero": (ask(fees=fees(gas_limit=0), worst_case_wei=ETHER), Reason.SIGNER_GAS_LIMIT),
    "gas for a block": (ask(fees=fees(gas_limit=30_000_000), worst_case_wei=ETHER), Reason.SIGNER_GAS_LIMIT),
    "gas limit 2^63 - 1": (ask(fees=fees(gas_limit=2**63 - 1)), Reason.SIGNER_GAS_LIMIT),
    "a fee of an ether": (ask(fees=fees(max_fee_wei=ETHER)), Reason.SIGNER_MAX_FEE),
    "a fee of 2^127": (ask(fees=fees(max_fee_wei=2**127)), Reason.SIGNER_MAX_FEE),
    "a tip of all the fee": (ask(fees=fees(tip_wei=40 * GWEI)), Reason.SIGNER_TIP),
    "a tip without a fee": (ask(fees=fees(max_fee_wei=0)), Reason.SIGNER_TIP),
    "a fee of 2^128": (ask(fees=fees(max_fee_wei=2**128)), Reason.SIGNER_MALFORMED),
    "a tip of 2^128": (ask(fees=fees(tip_wei=2**128)), Reason.SIGNER_MALFORMED),
    "a gas limit of 2^63": (ask(fees=fees(gas_limit=2**63)), Reason.SIGNER_MALFORMED),
    "a negative data fee": (ask(fees=fees(data_fee_wei=-1)), Reason.SIGNER_MALFORMED),
    "nonce 2^64": (ask(nonce=2**64), Reason.SIGNER_NONCE),
    "nonce 2^128": (ask(nonce=2**128), Reason.SIGNER_MALFORMED),
    "a head of 2^63": (ask(head_number=2**63), Reason.SIGNER_MALFORMED),
    "a negative head": (ask(head_number=-1), Reason.SIGNER_MALFORMED),
    "a negative gain": (ask(min_gain=-1, simulated=False), Reason.SIGNER_MALFORMED),
    "a negative minimum out": (ask(EXCHANGE, min_out=-1, simulated=False), Reason.SIGNER_MALFORMED),
    "a worst case of 2^128": (ask(worst_case_wei=2**128), Reason.SIGNER_MALFORMED),
    "a deadline of 2^48": (ask(changed(CYCLE, deadline_block=2**48), simulated=False), Reason.SIGNER_MALFORMED),
    "a last second of 2^48": (ask(changed(CYCLE, deadline_s=2**48), simulated=False), Reason.SIGNER_MALFORMED),
    "a last second before time": (ask(changed(CYCLE, deadline_s=-1), simulated=False), Reason.SIGNER_MALFORMED),
    "a note that is a number": (ask(changed(CYCLE, note=None)), Reason.SIGNER_MALFORMED),
    "a network that is no text": (ask(changed(CYCLE, network=None)), Reason.SIGNER_MALFORMED),
    "an amount in of 2^128": (ask(with_swap(CYCLE, 0, amount_in=2**128), simulated=False), Reason.SIGNER_MALFORMED),
    "an amount out of 2^128": (ask(with_swap(CYCLE, 1, amount_out=2**128)), Reason.SIGNER_MALFORMED),
    "a pool that is no address": (ask(with_hop(CYCLE, 0, pool="0x12"), simulated=False), Reason.SIGNER_MALFORMED),
    "a token that is no address": (ask(with_swap(CYCLE, 0, token_in=NAMED), simulated=False), Reason.SIGNER_MALFORMED),
    "an exchange that ends where it began": (ask(with_swap(EXCHANGE, 0, token_out=WETH)), Reason.SIGNER_MALFORMED),
    "only an order": (
        dataclasses.replace(ask(), plan=encode_plan(changed(EXCHANGE, legs=EXCHANGE.legs[1:]))),
        Reason.SIGNER_MALFORMED,
    ),
    "a plan cut short": (dataclasses.replace(ask(), plan=ask().plan[:-1]), Reason.SIGNER_MALFORMED),
    "a plan with its keys in another order": (dataclasses.replace(ask(), plan=UNSORTED), Reason.SIGNER_MALFORMED),
    "no plan": (dataclasses.replace(ask(), plan=b""), Reason.SIGNER_MALFORMED),
    "a plan of null": (dataclasses.replace(ask(), plan=b"null"), Reason.SIGNER_MALFORMED),
    "a deadline at zero": (ask(changed(CYCLE, deadline_block=0)), Reason.SIGNER_DEADLINE),
    "a deadline a year ahead": (ask(changed(CYCLE, deadline_block=HEAD + 2_628_000)), Reason.SIGNER_DEADLINE),
    "an exchange whose deadline is over": (ask(changed(EXCHANGE, deadline_block=HEAD - 1)), Reason.SIGNER_DEADLINE),
    "a deadline the head has passed": (ask(head_number=HEAD + 2), Reason.SIGNER_DEADLINE),
    "an exchange above its cap by far": (ask(with_swap(EXCHANGE, 0, amount_in=2**127)), Reason.SIGNER_AMOUNT),
    "a gain of one wei": (ask(min_gain=1), Reason.SIGNER_MIN_PROFIT),
    "a plan content with a loss": (ask(changed(CYCLE, min_profit_wei=-ETHER)), Reason.SIGNER_MIN_PROFIT),
    "an exchange content with less": (ask(changed(EXCHANGE, min_profit_wei=0)), Reason.SIGNER_MIN_PROFIT),
    "a minimum out of one": (ask(EXCHANGE, min_out=1), Reason.SIGNER_SLIPPAGE),
    "a quote that is a lie": (
        ask(with_swap(EXCHANGE, 0, amount_out=1_000 * 10**6), min_out=1_000 * 10**6),
        Reason.SIGNER_PRICE,
    ),
    "a price a quarter below the mark": (
        ask(with_swap(EXCHANGE, 0, amount_out=1_499 * 10**6), min_out=1_499 * 10**6),
        Reason.SIGNER_PRICE,
    ),
    "an unwinding at a tenth of the price": (
        ask(
            changed(with_swap(EXCHANGE, 0, amount_out=200 * 10**6), legs=(SOLD_CHEAP,), min_profit_wei=-ETHER),
            min_out=200 * 10**6,
        ),
        Reason.SIGNER_PRICE,
    ),
    "the digest of the same call with another gas limit": (
        dataclasses.replace(ask(), fees=fees(gas_limit=300_001), worst_case_wei=ETHER),
        Reason.SIGNER_VERDICT_MISMATCH,
    ),
    "the digest for another target": (
        ask(verdict={"tx_digest": dataclasses.replace(transaction_of(ask(), CYCLE), to=OTHER).digest}),
        Reason.SIGNER_VERDICT_MISMATCH,
    ),
    "the digest for another chain": (
        ask(verdict={"tx_digest": dataclasses.replace(transaction_of(ask(), CYCLE), chain_id=1).digest}),
        Reason.SIGNER_VERDICT_MISMATCH,
    ),
    "the digest for another sender": (
        ask(verdict={"tx_digest": dataclasses.replace(transaction_of(ask(), CYCLE), sender=OTHER).digest}),
        Reason.SIGNER_VERDICT_MISMATCH,
    ),
    "a block without a hash": (ask(verdict={"block_hash": ""}), Reason.SIGNER_VERDICT_MISMATCH),
    "half a block hash": (ask(verdict={"block_hash": BLOCK_HASH[:34]}), Reason.SIGNER_VERDICT_MISMATCH),
    "gas below what anything costs": (ask(verdict={"gas_used": 20_999}), Reason.SIGNER_VERDICT_FAILED),
    "negative gas": (ask(verdict={"gas_used": -1}, min_gain=2 * GAIN), Reason.SIGNER_VERDICT_FAILED),
    "a negative gas price": (ask(verdict={"gas_price_wei": -1}), Reason.SIGNER_VERDICT_FAILED),
    "a reverted exchange": (ask(EXCHANGE, verdict={"outcome": Outcome.REVERTED}), Reason.SIGNER_VERDICT_FAILED),
    "a block of long ago": (
        ask(changed(CYCLE, block_number=0), verdict={"block_number": 0}),
        Reason.SIGNER_VERDICT_STALE,
    ),
    "a block that is negative": (
        ask(changed(CYCLE, block_number=-1), verdict={"block_number": -1}),
        Reason.SIGNER_VERDICT_STALE,
    ),
    "simulated an hour ago": (ask(verdict={"made_at_s": NOW_S - 3600}), Reason.SIGNER_VERDICT_STALE),
    "a negative gain in the simulation": (
        ask(verdict={"deltas": {(EXECUTOR, Address(WETH.address)): -1}}),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "an inventory that gets nothing": (ask(EXCHANGE, verdict={"deltas": {}}), Reason.SIGNER_VERDICT_UNPROFITABLE),
    "the operator's gain instead of the executor's": (
        ask(verdict={"deltas": {(OPERATOR, Address(WETH.address)): GAIN}}),
        Reason.SIGNER_VERDICT_UNPROFITABLE,
    ),
    "an exchange whose loss is not counted": (ask(EXCHANGE, worst_case_wei=WORST_CASE_WEI), Reason.SIGNER_WORST_CASE),
    "an exchange whose loss is counted a wei short": (
        ask(EXCHANGE, worst_case_wei=EXCHANGE_WORST_WEI - 1),
        Reason.SIGNER_WORST_CASE,
    ),
    "a tenth given away that nothing brings back, a wei of it not counted": (
        ask(NOTHING_FOLLOWS, min_out=1_800 * 10**6, worst_case_wei=WORST_CASE_WEI + ETHER // 10 - 1),
        Reason.SIGNER_WORST_CASE,
    ),
    "a worst case of nothing": (ask(worst_case_wei=0), Reason.SIGNER_WORST_CASE),
    "an exchange of more than one trade may risk": (
        ask(
            with_swap(EXCHANGE, 0, amount_in=2 * ETHER, amount_out=4_000 * 10**6),
            min_out=3_990 * 10**6,
            worst_case_wei=EXCHANGE_WORST_WEI * 2,
        ),
        Reason.SIGNER_BUDGET_PER_TRADE,
    ),
}
