"""What would have been: the same events to a road with other settings, whose new questions nobody ever answered.

What the run was answered to the same question, or of the same plan, stands. Anything else is supposed: a plan settles
in the next block as its exact quotes say, an order fills from the books as they were. A pool that a supposed trade went
through is left as that trade leaves it, until an event of the chain says what it is. What the run itself traded is in
the recorded events, and stays there, whatever is decided instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from eth_utils.crypto import keccak

from bot.engine import Engine
from bot.execution.accounting import TRANSFER_TOPIC, counterparty
from bot.execution.build import Terms, unsigned_transaction
from bot.execution.transactions import Identity
from bot.execution.unwind import through
from bot.gas import GasCoin
from bot.market import Market, UnknownVenue
from bot.plan import Plan, decode_plan, encode_plan
from bot.replay.codec import decode, decode_error
from bot.replay.ends import PlayedEnd
from bot.replay.heard import Heard, settle
from bot.replay.player import Decision
from bot.replay.recorder import key
from bot.replay.remembered import Remembered, trade
from bot.signer.protocol import Cancel, Replace, Settle, Settled, Signed, SignRequest
from bot.simulator.verdict import Outcome, Verdict
from bot.transaction import UnsignedTransaction
from chains.anvil import RpcError
from chains.assets import ZERO_ADDRESS, Address, Token
from chains.blocks import Head, Log, Receipt
from chains.exchanges.orders import ExchangeOrder, OrderReport
from chains.exchanges.paper import PaperExchange
from chains.exchanges.troubles import ExchangeUnavailable
from chains.node.court import Agreement, Opinion
from chains.node.seen import seen_one_by_one
from chains.node.sending import SendOutcome, SendStatus
from chains.pools.pool import PoolError

_SIGNATURE = (0, 1, 1)
"""Of the right form, and nobody's."""


class Unsupposable(RuntimeError):
    """A question that was never asked in the run, and to which no answer can be made up."""


@dataclass(slots=True)
class _Sent:
    plan: Plan
    transaction: UnsignedTransaction
    number: int


@dataclass(slots=True)
class Supposing:
    """Plays the heard part of a tape, and answers for the world. `supposed` counts what was made up."""

    records: Iterable[Any]
    remembered: Remembered
    identity: Identity
    market: Market
    heard: Heard
    coin: GasCoin
    supposed: int = 0
    replayed: list[Decision] = field(default_factory=list)
    _plan: Plan | None = None
    _sent: dict[str, _Sent] = field(default_factory=dict)
    _done: dict[str, Receipt] = field(default_factory=dict)
    _mined: set[str] = field(default_factory=set)
    _first_nonce: dict[Address, int] = field(default_factory=dict)
    _sender_of: dict[str, Address] = field(default_factory=dict)
    _whose: dict[str, Address] = field(default_factory=dict)
    _papers: dict[str, PaperExchange] = field(default_factory=dict)
    _given: dict[tuple[str, str], int] = field(default_factory=dict)

    def told(self, plan: Plan, said: str) -> None:
        self.replayed.append(Decision(encode_plan(plan).decode(), said))

    async def opening(self, task: asyncio.Task[Any]) -> None:
        await task

    async def play(self, engine: Engine, running: asyncio.Task[None]) -> None:
        """Everything that was heard. Raises what the engine raises."""
        for record in self.records:
            if self.heard.tell(record, engine):
                await settle(running)
        self.heard.over()
        await running

    def read(self, name: str, *asked: Any) -> Any:
        """What the run found; otherwise what lets a plan pass."""
        if name == "may_hold":
            self._plan = asked[0]
        found = self.remembered.readings.get((name, key(asked, {})))
        if found is not None:
            return decode(found)
        return {} if name == "allowance" else name in ("is_newest", "may_order") or None

    async def ask(self, name: str, asked: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """What the run was answered to the same; otherwise what is supposed. Raises as the end would."""
        if name == "chain.nonce" and asked[0] in self._first_nonce:
            mined = (self._sender_of.get(tx_hash, self.identity.operator) for tx_hash in self._mined)
            return self._first_nonce[asked[0]] + sum(sender == asked[0] for sender in mined)
        asked_key = name, key(asked, named)
        answers = self.remembered.answers.get(asked_key)
        if answers:
            turn = self._given.get(asked_key, 0)
            self._given[asked_key] = turn + 1
            given = answers[min(turn, len(answers) - 1)]
            if len(given) > 1:
                raise decode_error(given[1])
            if name != "chain.seen":
                return self._noted(name, asked, decode(given[0]))
        if name == "chain.seen":
            return await seen_one_by_one(cast(Any, PlayedEnd(self, "chain")), *asked)
        answer = self._supposed(name, *asked)
        return await answer if asyncio.iscoroutine(answer) else answer

    def _noted(self, name: str, asked: Sequence[Any], answer: Any) -> Any:
        """What the run was answered, remembered where later answers must agree with it."""
        if name == "chain.nonce":
            self._first_nonce[asked[0]] = answer
        elif name in ("signer.sign", "signer.replace") and isinstance(answer, Signed):
            self._sender_of[answer.tx_hash] = self._sender(asked[0])
        elif name == "chain.receipt" and answer is not None:
            self._mined.add(asked[0])
        return answer

    def _supposed(self, name: str, *asked: Any) -> Any:
        end, _, method = name.rpartition(".")
        if end.startswith("exchange."):
            return self._order(end.removeprefix("exchange."), method, *asked)
        match name:
            case "turns.take" | "ground.on_head" | "simulator.screened" | "simulator.trouble":
                return None
            case "simulator.verdict":
                return self._verdict(*asked[:2])
            case "signer.sign" | "signer.replace":
                return self._signed(asked[0])
            case "signer.settle":
                return self._released(asked[0])
            case "signer.cover":
                return Settled(0)
            case "chain.send_raw":
                return SendOutcome(SendStatus.ACCEPTED, "0x" + keccak(asked[0]).hex())
            case "chain.receipt":
                return self._receipt(asked[0])
            case "chain.knows":
                return asked[0] in self._sent or asked[0] in self._done
            case "node.agreed":
                return Opinion(Agreement.ALONE)
        if end in ("node", "chain"):
            raise RpcError(method, -32000, "it was not asked in the run")
        raise Unsupposable(f"{name} was not asked in the run, and what it would have said cannot be supposed")

    def _verdict(self, transaction: UnsignedTransaction, head: Head) -> Verdict:
        plan = self._plan
        if plan is None:
            raise Unsupposable("a transaction was simulated of which no plan is known")
        price = _price_wei(transaction, head.next_base_fee_wei())
        was = self.remembered.verdicts.get(trade(plan))
        if was is not None and was.outcome is Outcome.OK:
            return replace(was, tx_digest=transaction.digest, gas_price_wei=price)
        self.supposed += 1
        return Verdict(
            outcome=Outcome.OK,
            tx_digest=transaction.digest,
            block_number=head.number,
            block_hash=head.hash,
            gas_used=plan.gas_estimate,
            gas_price_wei=price,
            deltas=deltas_of(plan, self.identity),
            made_at_s=self.heard.clock.wall,
            code_hash=self.identity.code_hash,
        )

    def _sender(self, request: SignRequest | Replace | Cancel) -> Address:
        """Whose key is asked; one that cancels is that which signed the intent."""
        if isinstance(request, Cancel):
            return self._whose.get(request.intent_id, self.identity.operator)
        asked = request.again if isinstance(request, Replace) else request
        return self._whose.setdefault(asked.intent_id, asked.sender)

    def _signed(self, request: SignRequest | Replace | Cancel) -> Signed:
        if isinstance(request, Cancel):
            raise Unsupposable("a transaction is cancelled that was not cancelled in the run")
        asked = request.again if isinstance(request, Replace) else request
        plan = decode_plan(asked.plan)
        transaction = unsigned_transaction(
            plan,
            Terms(asked.min_gain, asked.min_out),
            asked.fees,
            nonce=asked.nonce,
            chain_id=asked.chain_id,
            sender=asked.sender,
            executor=asked.target,
        )
        raw = transaction.raw(*_SIGNATURE)
        tx_hash = "0x" + keccak(raw).hex()
        self._sender_of[tx_hash] = self._sender(request)
        self._sent[tx_hash] = _Sent(plan, transaction, self.heard.head.number if self.heard.head else 0)
        return Signed(raw, tx_hash)

    def _released(self, settle: Settle) -> Settled:
        return Settled(max(self.coin.cost_wei(settle.gas_cost_wei) - settle.profit_wei, 0))

    def _receipt(self, tx_hash: str) -> Receipt | None:
        """Of a supposed transaction: in the block after the one it was sent on."""
        if tx_hash in self._done:
            return self._done[tx_hash]
        sent, head = self._sent.get(tx_hash), self.heard.head
        if sent is None or head is None or head.number <= sent.number:
            return None
        price = _price_wei(sent.transaction, head.base_fee_wei)
        was = self.remembered.receipts.get(trade(sent.plan))
        verdict = self.remembered.verdicts.get(trade(sent.plan))
        if was is not None and was.block_number == head.number:
            receipt = replace(was, tx_hash=tx_hash, effective_gas_price_wei=price)
        else:
            receipt = Receipt(
                tx_hash=tx_hash,
                block_number=head.number,
                block_hash=head.hash,
                tx_index=0,
                status=1,
                gas_used=verdict.gas_used if verdict is not None else sent.plan.gas_estimate,
                effective_gas_price_wei=price,
                logs=tuple(logs_of(sent.plan, self.identity, head, tx_hash)),
            )
            if (sent.plan.block_number, sent.plan.pools) not in self.remembered.traded:
                self._leave_pools(sent.plan)
        del self._sent[tx_hash]
        self._done[tx_hash] = receipt
        self._mined.add(tx_hash)
        return receipt

    def _leave_pools(self, plan: Plan) -> None:
        """As a trade that never was would have left them."""
        for swap in plan.swaps:
            try:
                pool = through(swap, self.market)
                self.market.renew_pool(pool.swapped(swap.token_in, swap.amount_in, swap.token_out))
            except (PoolError, UnknownVenue):
                continue

    async def _order(self, exchange: str, method: str, *asked: Any) -> OrderReport | dict[str, int] | None:
        if method == "free":
            # What the books say is there: nothing is missed that nobody looked for.
            raise ExchangeUnavailable(f"{exchange} was not asked in the run what is free there")
        paper = self._papers.get(exchange)
        if paper is None:
            paper = self._papers[exchange] = PaperExchange(exchange, partial(self.market.book, exchange), {})
        if method == "place":
            order: ExchangeOrder = asked[0]
            self.supposed += 1
            return await paper.place(order)
        if method in ("find", "cancel"):
            return await paper.find(asked[0], asked[1])
        return await paper.balances()


def _price_wei(transaction: UnsignedTransaction, base_fee_wei: int) -> int:
    """Per gas (EIP-1559)."""
    return min(transaction.max_fee_wei, base_fee_wei + transaction.tip_wei)


def deltas_of(plan: Plan, identity: Identity) -> dict[tuple[Address, Address], int]:
    """What `plan` moves in our accounts, in base units, where every route and its lender do as quoted."""
    token_in, token_out = Address(plan.swaps[0].token_in.address), Address(plan.swaps[-1].token_out.address)
    if plan.atomic:
        return {(identity.executor, token_in): plan.amount_out - plan.amount_in - _lenders_fee(plan)}
    return {(identity.inventory, token_in): -plan.amount_in, (identity.inventory, token_out): plan.amount_out}


def _lenders_fee(plan: Plan) -> int:
    return plan.loan.debt(plan.amount_in) - plan.amount_in if plan.loan is not None else 0


def logs_of(plan: Plan, identity: Identity, head: Head, tx_hash: str) -> list[Log]:
    """The transfers of the plan's swaps, and of what its lender takes, as their tokens would log them."""
    holder = identity.executor if plan.atomic else identity.inventory
    moves: list[tuple[Token, Address, Address, int]] = []
    for route in plan.routes:
        for index, swap in enumerate(route):
            source = holder if index == 0 else identity.executor
            target = holder if index == len(route) - 1 else identity.executor
            at = counterparty(swap.hop, identity.venues)
            moves.append((swap.token_in, source, at, swap.amount_in))
            moves.append((swap.token_out, at, target, swap.amount_out))
    if plan.loan is not None and (fee := _lenders_fee(plan)):
        moves.append((plan.swaps[0].token_in, identity.executor, identity.venues.lender(plan.loan), fee))
    return [
        Log(
            address=Address(token.address),
            topics=(TRANSFER_TOPIC, _word(source), _word(target)),
            data=units.to_bytes(32, "big"),
            block_number=head.number,
            block_hash=head.hash,
            tx_hash=tx_hash,
            tx_index=0,
            log_index=index,
        )
        for index, (token, source, target, units) in enumerate(moves)
        if token.address != ZERO_ADDRESS
    ]


def _word(account: Address) -> bytes:
    return bytes(12) + bytes.fromhex(account[2:])
