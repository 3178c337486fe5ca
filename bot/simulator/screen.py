"""The fast answer: a transaction run in this process, over state fetched once a block and shared by all questions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from bot.simulator import reader
from bot.simulator.analysed import AnalysedAccounts
from bot.simulator.local import LocalEvm, Missed, NotAnsweredHere
from bot.simulator.question import (
    ASKER,
    SURROUNDINGS,
    Answer,
    Environment,
    Question,
    Surroundings,
    balance_call,
    transaction_call,
)
from bot.simulator.state import PRECOMPILES, StateStore
from chains.anvil import Anvil
from chains.assets import ZERO_ADDRESS, Address
from chains.blocks import Head

_ROUNDS = 3
_ACCOUNT_METHODS = ("eth_getBalance", "eth_getTransactionCount", "eth_getCode")
_EVERYWHERE = (ZERO_ADDRESS, ASKER, *PRECOMPILES, *(one.coinbase for one in SURROUNDINGS))


class Asked(Protocol):
    """Whatever answers JSON-RPC."""

    def rpc(self, method: str, *params: Any) -> Awaitable[Any]: ...


class Screen:
    """State of one block at a time, and an EVM over it for each surroundings asked about."""

    def __init__(self, chain_id: int) -> None:
        self._chain_id = chain_id
        self._store = StateStore()
        self._accounts = AnalysedAccounts()
        self._evms: dict[Surroundings, LocalEvm] = {}
        self._made_of: tuple[int, Environment] | None = None

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
        keys, senders = store.keys, tuple(store.senders)
        block = {"blockHash": head.hash}
        answer, *nonces = await asyncio.gather(
            node.rpc("eth_call", *reader.question(keys, block)),
            *(node.rpc("eth_getTransactionCount", sender, block) for sender in senders),
        )
        readings = reader.read(keys, answer)
        counted = (int(nonce, 16) for nonce in nonces)
        store.renew(head.hash, readings.balances, readings.slots, dict(zip(senders, counted, strict=True)))

    def answers(
        self, question: Question, surroundings: Sequence[Surroundings] = SURROUNDINGS[:1]
    ) -> tuple[Answer, ...]:
        """The answer in each of `surroundings`. Raises `Missed`, `NotAnsweredHere`, `Unanswered`."""
        if not self.stands_on(question.environment.head):
            raise Missed("nothing is known of this block yet")
        return tuple(self._answer(question, one) for one in surroundings)

    async def learned(
        self, question: Question, fork: Anvil, surroundings: Sequence[Surroundings] = SURROUNDINGS[:1]
    ) -> tuple[Answer, ...]:
        """As `answers`; what misses is asked of `fork`, on the same block. Raises also what that raises."""
        head = question.environment.head
        if not self.stands_on(head):
            await self.renew(head, fork)
        for _ in range(_ROUNDS):
            try:
                return self.answers(question, surroundings)
            except Missed:
                if not await self._learn(question, fork):
                    raise NotAnsweredHere("it reads what cannot be known in this process") from None
        raise NotAnsweredHere(f"it still misses state after {_ROUNDS} rounds")

    def _answer(self, question: Question, surroundings: Surroundings) -> Answer:
        evm = self._evm(question.environment, surroundings)
        try:
            return evm.answer(question)
        except BaseException:
            self._evms.pop(surroundings, None)
            raise

    def _evm(self, environment: Environment, surroundings: Surroundings) -> LocalEvm:
        made_of = (self._store.version, environment)
        if self._made_of != made_of:
            self._evms.clear()
            self._accounts.next_block()
            self._made_of = made_of
        evm = self._evms.get(surroundings)
        if evm is None:
            evm = LocalEvm(self._store, environment, surroundings, self._chain_id, self._accounts)
            self._evms[surroundings] = evm
        return evm

    async def _learn(self, question: Question, fork: Anvil) -> bool:
        """Whether `fork` told anything new about what `question` touches."""
        head = question.environment.head
        block = {"blockHash": head.hash}
        everywhere = dict.fromkeys(_EVERYWHERE, ())
        tracing = {"tracer": "prestateTracer", "blockOverrides": question.environment.overrides(SURROUNDINGS[0])}
        calls = [transaction_call(question.tx)]
        calls += [balance_call(watched) for watched in question.watched if watched[1] != ZERO_ADDRESS]
        bare = sorted({account for account, token in question.watched if token == ZERO_ADDRESS})
        held, *answers = await fork.batch(
            [
                ("eth_call", reader.question(everywhere, block)),
                *((method, (account, block)) for account in bare for method in _ACCOUNT_METHODS),
                *(("debug_traceCall", (call, block, tracing)) for call in calls),
            ]
        )
        prestates = answers[len(bare) * len(_ACCOUNT_METHODS) :]
        prestates += [_prestate(account, *answers[3 * at : 3 * at + 3]) for at, account in enumerate(bare)]
        new = [self._store.learn(head.hash, prestate) for prestate in prestates]
        self._store.learn_empty(reader.read(everywhere, held).balances)
        self._store.senders.add(question.tx.sender)
        return any(new)


def _prestate(account: Address, balance: str, nonce: str, code: str) -> dict[str, dict[str, Any]]:
    """An account as a `prestateTracer` would write it."""
    return {account: {"balance": balance, "nonce": int(nonce, 16), "code": code}}
