"""The fast answer: a transaction run in this process, over state fetched once a block and shared by all questions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from bot.simulator import holdings
from bot.simulator.analysed import AnalysedAccounts
from bot.simulator.holdings import ASKER, READER, READER_CODE, Unanswered
from bot.simulator.local import LocalEvm, Missed, NotAnsweredHere
from bot.simulator.question import SURROUNDINGS, Answer, Environment, Question, Surroundings, transaction_call
from bot.simulator.reader import BulkRead, Unreadable
from bot.simulator.state import PRECOMPILES, StateStore
from chains.assets import ZERO_ADDRESS, address
from chains.blocks import Head
from chains.node.reads import others_asked

_ROUNDS = 4
_EVERYWHERE = frozenset({ZERO_ADDRESS, ASKER, *PRECOMPILES, *(one.coinbase for one in SURROUNDINGS)})


class Asked(Protocol):
    """Whatever answers JSON-RPC."""

    def rpc(self, method: str, *params: Any) -> Awaitable[Any]: ...

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> Awaitable[list[Any]]: ...


class Screen:
    """State of one block at a time, and an EVM over it for each surroundings asked about."""

    def __init__(self, chain_id: int) -> None:
        self._chain_id = chain_id
        self._store = StateStore()
        self._accounts = AnalysedAccounts()
        self._nobodys = Surroundings.of_nobody()
        self._evms: dict[Surroundings, LocalEvm] = {}
        self._spent: Surroundings | None = None
        self._bulk: BulkRead | None = None
        self._asked: BulkRead | None = None
        self._ready: tuple[int, BulkRead] | None = None
        self._stands: tuple[int, Environment, StateStore] | None = None
        self._missing: tuple[int, Question, Sequence[Surroundings]] | None = None

    @property
    def store(self) -> StateStore:
        """What is known; for reading."""
        return self._store

    def stands_on(self, head: Head) -> bool:
        """Whether what is known is of `head`."""
        return self._store.block_hash == head.hash

    def leave(self) -> None:
        """What is known holds no longer, though what is worth reading stays the same."""
        self._store.block_hash = None

    async def renew(self, head: Head, node: Asked) -> None:
        """Read everything that is known anew, as of `head`. Raises `RpcError`, `Unreadable`, what `node` raises."""
        store = self._store
        if not store.accounts:
            return
        self._work_out()
        assert self._ready is not None
        bulk = self._bulk = self._asked = self._ready[1]
        senders = tuple(store.senders)
        block = {"blockHash": head.hash}
        answer, *nonces = await node.batch(
            [
                ("eth_call", bulk.question(block)),
                *(("eth_getTransactionCount", (sender, block)) for sender in senders),
            ]
        )
        if bulk is not self._asked:
            return
        readings = bulk.read(answer)
        counted = (int(nonce, 16) for nonce in nonces)
        store.renew(head.hash, readings, dict(zip(senders, counted, strict=True)))

    def make_ready(self) -> None:
        """Between two heads: do what the next one, and the questions there, would wait for."""
        self._work_out()
        for evm in self._evms.values():
            evm.analyse()

    def _work_out(self) -> None:
        """Work out now what `renew` will ask, for it to be sent at once when the next head comes."""
        store = self._store
        if not store.accounts or (self._ready is not None and self._ready[0] == store.version):
            return
        keys, bulk = store.keys, self._bulk
        self._ready = store.version, bulk if bulk is not None and bulk.asks_for(keys) else BulkRead(keys, bulk)

    def stand(self, environment: Environment) -> None:
        """Have the EVM that is asked first stand in that block, so that the first question there need not wait for it.

        One that is not made yet is made once something is asked.
        """
        if not self.stands_on(environment.head) or self._nobodys not in self._evms:
            return
        evm = self._evm(environment, self._nobodys)
        try:
            evm.look_again()
        except (Missed, NotAnsweredHere, Unanswered):
            del self._evms[self._nobodys]

    def answers(
        self, question: Question, surroundings: Sequence[Surroundings] = SURROUNDINGS[:1]
    ) -> tuple[Answer, ...]:
        """The answer in each of `surroundings`. Raises `Missed`, `NotAnsweredHere`, `Unanswered`.

        What can run where nothing tells who builds the block does the same in every builder's, and is run there once.
        """
        if not self.stands_on(question.environment.head):
            raise Missed("nothing is known of this block yet")
        asked = self._store.version, question, surroundings
        if asked == self._missing:
            raise Missed("nothing was learned since it missed")
        if not self._store.accounts.keys() >= {token for _, token in question.watched} - {ZERO_ADDRESS}:
            # An EVM that has missed is spent.
            self._missing = asked
            raise Missed("nothing is known of a token that is watched")
        try:
            return self._ran(question, surroundings)
        except Missed:
            self._missing = asked
            raise

    async def learned(
        self, question: Question, tracer: Asked, surroundings: Sequence[Surroundings] = SURROUNDINGS[:1]
    ) -> tuple[Answer, ...]:
        """As `answers`; what misses is asked of `tracer`, on the same block. Raises also what that raises.

        What is worth reading by now is read before anything is traced, which costs a node many times as much.
        """
        head = question.environment.head
        if not self.stands_on(head):
            await self.renew(head, tracer)
        for _ in range(_ROUNDS):
            try:
                return self.answers(question, surroundings)
            except Missed:
                if self._store.unread:
                    await self.renew(head, tracer)
                elif not await self._learn(question, tracer) and not self._store.unread:
                    raise NotAnsweredHere("it reads what cannot be known in this process") from None
        raise NotAnsweredHere(f"it still misses state after {_ROUNDS} rounds")

    def _ran(self, question: Question, surroundings: Sequence[Surroundings]) -> tuple[Answer, ...]:
        """The answers, by as few runs as tell them."""
        if len(surroundings) > 1:
            try:
                return (self._answer(question, self._nobodys),) * len(surroundings)
            except Missed:
                # Builders' blocks know more than nobody's only where code asks who builds.
                if not any(known.asking for known in self._store.accounts.values()):
                    raise
        return tuple(self._answer(question, one) for one in surroundings)

    def _answer(self, question: Question, surroundings: Surroundings) -> Answer:
        evm = self._evm(question.environment, surroundings)
        try:
            return evm.answer(question)
        except BaseException:
            self._evms.pop(surroundings, None)
            self._spent = surroundings
            raise

    def _evm(self, environment: Environment, surroundings: Surroundings) -> LocalEvm:
        """The EVM of these surroundings, moved to the block where that can be done, or made anew."""
        if self._stands is None or self._stands[:2] != (self._store.version, environment):
            self._accounts.keep(self._store.accounts.values())
            self._stands = self._store.version, environment, self._store.snapshot()
        _, environment, store = self._stands
        evm = self._evms.pop(surroundings, None)
        if evm is None or not evm.move(store, environment):
            evm = LocalEvm(store, environment, surroundings, self._chain_id, self._accounts)
        self._evms[surroundings], self._spent = evm, None
        return evm

    async def _make_anew(self, environment: Environment) -> None:
        """Have an EVM stand in that block instead of the spent one, while others are waited for."""
        await others_asked()
        if self._spent is not None and self.stands_on(environment.head):
            self._evm(environment, self._spent)

    async def _learn(self, question: Question, tracer: Asked) -> bool:
        """Whether `tracer` told anything new about what `question` touches. Raises `Unreadable`, what it raises."""
        head = question.environment.head
        block = {"blockHash": head.hash}
        tracing = {"tracer": "prestateTracer", "blockOverrides": question.environment.overrides(SURROUNDINGS[0])}
        reading = {**tracing, "stateOverrides": {READER: {"code": "0x" + READER_CODE.hex()}}}
        calls: list[tuple[str, Sequence[Any]]] = [
            ("debug_traceCall", (transaction_call(question.tx), block, tracing)),
            ("debug_traceCall", (holdings.call_for(question.watched), block, reading)),
        ]
        everywhere = BulkRead(dict.fromkeys(_EVERYWHERE, ()))
        # Once they are known, they are read with all else.
        if not (self.stands_on(head) and self._store.accounts.keys() >= _EVERYWHERE):
            calls.append(("eth_call", everywhere.question(block)))
        (running, holding, *held), _ = await asyncio.gather(tracer.batch(calls), self._make_anew(question.environment))
        try:
            there = {account: fields for account, fields in holding.items() if address(account) != READER}
            new = [self._store.learn(head.hash, prestate) for prestate in (running, there)]
        except (AttributeError, TypeError, ValueError) as error:
            # Some nodes pass over which tracer is asked for, and tell every opcode instead.
            raise Unreadable(f"the node does not tell what a call touches: {error}") from None
        for answer in held:
            self._store.learn_others(everywhere.read(answer))
        self._asked = None
        self._store.senders.add(question.tx.sender)
        return any(new)
