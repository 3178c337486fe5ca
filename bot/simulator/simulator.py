"""The simulator: what the exact unsigned transaction would do in the block after the head it was decided on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Self, TypeVar

from eth_utils.crypto import keccak

from bot.clock import Clock
from bot.plan import Plan
from bot.reasons import Reason
from bot.simulator import diagnosis
from bot.simulator.agreement import CoinbasesDisagree, agreed
from bot.simulator.diagnosis import Move, TokenTrouble, moves
from bot.simulator.fork import ForkFailed, cannot_fork
from bot.simulator.holdings import Unanswered, Watched
from bot.simulator.local import Missed, NotAnsweredHere
from bot.simulator.overlay import Overlay
from bot.simulator.question import (
    SURROUNDINGS,
    Answer,
    Environment,
    NoCoins,
    Question,
    ask,
    gas_price_wei,
    transaction_call,
)
from bot.simulator.reader import Unreadable
from bot.simulator.reverts import RevertReasons
from bot.simulator.screen import Asked
from bot.simulator.standing import Standing
from bot.simulator.trace import Frame
from bot.simulator.verdict import Outcome, Screening, Verdict
from bot.transaction import UnsignedTransaction
from chains.anvil import Anvil, AnvilFailed, RpcError
from chains.assets import Address
from chains.blocks import Head
from chains.networks import Network
from chains.node.gateway import Gateway

_T = TypeVar("_T")
_MOST_TROUBLES = 4_096


class FinalVerdict(StrEnum):
    """Which simulator has the last word."""

    ANVIL = "anvil"
    IN_PROCESS = "in_process"


class Simulator:
    """Verdicts on a fork of the node at `rpc_url`, and fast ones in this process. An async context manager.

    A question that cannot be answered exactly (a failed read, a dead or slow fork, a block that is no longer
    canonical, a transaction no block would take) has the outcome INVALID, never a number.
    """

    def __init__(
        self,
        network: Network,
        rpc_url: str,
        clock: Clock,
        *,
        overlay: Overlay | None = None,
        reasons: RevertReasons | None = None,
        timeout_s: float = 5.0,
        final: FinalVerdict = FinalVerdict.ANVIL,
        prefetch: bool = True,
        node: Asked | None = None,
        gateway: Gateway | None = None,
    ) -> None:
        """`prefetch` gives the fork what is known of each new block: it is for nodes that are far away. `node` is asked
        for what this process knows of a block, instead of that address, and a `gateway` there is told of it.
        """
        self._network = network
        self._clock = clock
        self._reasons = reasons or RevertReasons.from_artefacts()
        self._timeout_s = timeout_s
        self._final = final
        self._standing = Standing(
            rpc_url, network.chain_id, overlay or Overlay(), prefetch=prefetch, node=node, gateway=gateway
        )
        self.screening = Screening(possible=self._standing.screen is not None)
        self._preparing: set[asyncio.Task[bool]] = set()
        self._newest = ""
        self._begun: tuple[str, asyncio.Task[bool] | None] = "", None
        self._troubles: dict[tuple[Address, Address], TokenTrouble | None] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @property
    def restarts(self) -> int:
        """How often the fork's Anvil died and was started again."""
        return self._standing.restarts

    @property
    def pid(self) -> int | None:
        """The process of the fork's Anvil, while there is one."""
        return self._standing.pid

    @property
    def overlay(self) -> Overlay:
        """What lies over the fork; setting it takes effect with the next verdict."""
        return self._standing.overlay

    @overlay.setter
    def overlay(self, overlay: Overlay) -> None:
        self._standing.overlay = overlay

    def expect(self, head: Head) -> None:
        """Begin to stand on `head`, of which not everything is known yet; `prepare` makes up for what fails."""
        self._begun = head.hash, self._begin(head)

    async def prepare(self, head: Head) -> None:
        """Begin to stand on `head`, unless that was begun, and return at once; what fails is told by the verdicts that
        need it.

        Where this process has the last word, its EVM moves as soon as the head's state is known, while the node is
        still asked other things, and the fork only once it is asked something.
        """
        (begun, task), self._begun = self._begun, ("", None)
        if task is None or begun != head.hash:
            self._begin(head)
        elif not task.done():
            task.add_done_callback(lambda task: self._begin_again(task, head))
        else:
            self._begin_again(task, head)

    def _begin(self, head: Head) -> asyncio.Task[bool]:
        self._newest = head.hash
        task = asyncio.create_task(self._prepare(head))
        self._preparing.add(task)
        task.add_done_callback(self._preparing.discard)
        return task

    def _begin_again(self, begun: asyncio.Task[bool], head: Head) -> None:
        """Unless what was begun has come to stand there, as it does where the node knew the block already."""
        if self._newest == head.hash and not begun.cancelled() and not begun.result():
            self._standing.read_again()
            self._begin(head)

    def make_ready(self) -> None:
        """Between two heads: work out what the next one's state is asked for, so that asking it takes no time."""
        if self._standing.screen is not None:
            self._standing.screen.make_ready()

    async def screened(
        self, tx: UnsignedTransaction, head: Head, watch: Sequence[Watched], after: Sequence[UnsignedTransaction] = ()
    ) -> Verdict | None:
        """What this process finds, in a fraction of the time; None where only the fork can tell, and where `verdict`
        itself is found here.

        It is `verdict`'s answer to the wei where both answer, from one builder's block instead of two.
        """
        if self._final is FinalVerdict.IN_PROCESS:
            return None
        verdict = await self.alone(tx, head, watch, after)
        self._count(here=verdict is not None)
        return verdict

    async def alone(
        self, tx: UnsignedTransaction, head: Head, watch: Sequence[Watched], after: Sequence[UnsignedTransaction] = ()
    ) -> Verdict | None:
        """What this process alone says, whoever has the last word; None where it cannot."""
        if self._standing.screen is None:
            return None
        with contextlib.suppress(
            Unanswered, ForkFailed, AnvilFailed, RpcError, Unreadable, Missed, NotAnsweredHere, TimeoutError
        ):
            question = self._question(tx, head, watch, after)
            answers = self._at_once(question, 1)
            if answers is None:
                async with asyncio.timeout(self._timeout_s):
                    answers = await self._here(question, 1)
            return self._told(question, answers[0])
        return None

    def _count(self, *, here: bool) -> None:
        """A plan was answered in this process first, or only the fork could."""
        self.screening = replace(
            self.screening, answered=self.screening.answered + here, left=self.screening.left + (not here)
        )

    async def verdict(
        self, tx: UnsignedTransaction, head: Head, watch: Sequence[Watched], after: Sequence[UnsignedTransaction] = ()
    ) -> Verdict:
        """Run `tx` in the block after `head`, behind `after`, the transactions already accepted for that block.

        It runs in two builders' blocks, which must agree. The deltas are those of `tx` alone, for `watch` and for the
        sender's native coin. Never raises for anything the chain or the fork does.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                question = self._question(tx, head, watch, after)
                return await self._last_word(question)
        except TimeoutError:
            return self._invalid(tx, head, f"the fork gave no answer within {self._timeout_s:g} s")
        except CoinbasesDisagree as error:
            return self._invalid(tx, head, str(error), Reason.SIM_COINBASES_DISAGREE)
        except (Unanswered, ForkFailed, AnvilFailed, RpcError) as error:
            return self._invalid(tx, head, str(error), Reason.SIM_NO_COINS if _is_for_coins(error) else None)

    async def trouble(self, plan: Plan, executor: Address, head: Head) -> TokenTrouble | None:
        """What is wrong with a token of `plan`, tried out on the fork once per token and pool; None if nothing is.

        Never raises for anything the chain or the fork does: what cannot be found out is not said.
        """
        for move in moves(plan, executor):
            if (move.token, move.holder) not in self._troubles:
                with contextlib.suppress(Unanswered, ForkFailed, AnvilFailed, RpcError, TimeoutError):
                    async with asyncio.timeout(self._timeout_s):
                        self._remember(move, await self._tried(move, head))
            trouble = self._troubles.get((move.token, move.holder))
            if trouble is not None:
                return trouble
        return None

    async def traced(self, tx: UnsignedTransaction, head: Head) -> Frame:
        """The `callTracer` trace of `tx`, with its logs. Raises `ForkFailed`, `AnvilFailed`."""
        environment = self._environment(head)
        tracing = {
            "tracer": "callTracer",
            "tracerConfig": {"withLog": True},
            "blockOverrides": environment.overrides(SURROUNDINGS[0]),
        }
        asked = (transaction_call(tx), {"blockHash": head.hash}, tracing)
        try:
            frame: Frame = await self._asked(head, lambda fork: fork.rpc("debug_traceCall", *asked))
        except RpcError as error:
            raise cannot_fork(head, error) from None
        return frame

    async def close(self) -> None:
        """End the fork."""
        preparing = tuple(self._preparing)
        for task in preparing:
            task.cancel()
        await asyncio.gather(*preparing, return_exceptions=True)
        await self._standing.close()

    async def _prepare(self, head: Head) -> bool:
        """Whether it came to stand there."""
        with contextlib.suppress(ForkFailed, AnvilFailed, RpcError):
            if self._final is FinalVerdict.IN_PROCESS and self._standing.screen is not None:
                screen = await self._standing.known_on(head)
                if screen is not None:
                    screen.stand(self._environment(head))
                return screen is not None
            # Where moving takes longer than a block, the newest head would else wait for all before it.
            return await self._standing.moved_to(head, lambda: self._newest == head.hash)
        return False

    def _question(
        self, tx: UnsignedTransaction, head: Head, watch: Sequence[Watched], after: Sequence[UnsignedTransaction]
    ) -> Question:
        if tx.chain_id != self._network.chain_id:
            raise Unanswered(f"the transaction is for chain {tx.chain_id}, not {self._network.chain_id}")
        return ask(tx, after, watch, self._environment(head))

    def _environment(self, head: Head) -> Environment:
        return Environment(head, self._network.block_step_s, self._network.gas.base_fee.after(head))

    async def _tried(self, move: Move, head: Head) -> TokenTrouble | None:
        asked = diagnosis.question(move, self._environment(head))
        return diagnosis.read(move, await self._asked(head, lambda fork: fork.rpc("eth_simulateV1", *asked)))

    def _remember(self, move: Move, trouble: TokenTrouble | None) -> None:
        while len(self._troubles) >= _MOST_TROUBLES:
            del self._troubles[next(iter(self._troubles))]
        self._troubles[move.token, move.holder] = trouble

    async def _last_word(self, question: Question) -> Verdict:
        if self._final is FinalVerdict.IN_PROCESS and self._standing.screen is not None:
            with contextlib.suppress(Missed, NotAnsweredHere, Unreadable):
                count = len(SURROUNDINGS)
                answers = self._at_once(question, count) or await self._here(question, count)
                self._count(here=True)
                return self._told(question, agreed(question, answers))
            self._count(here=False)
        try:
            return await self._on_fork(question)
        except AnvilFailed:
            return await self._on_fork(question)

    def _at_once(self, question: Question, count: int) -> tuple[Answer, ...] | None:
        """In this process, in so many surroundings, of what is known already; None where that is not enough."""
        screen = self._standing.screen
        if screen is not None:
            with contextlib.suppress(Missed):
                return screen.answers(question, SURROUNDINGS[:count])
        return None

    async def _here(self, question: Question, count: int) -> tuple[Answer, ...]:
        """The same, where what is known is read as of the head first. What it misses is learned from the fork, where
        that stands there anyway, and otherwise from the node, if it can tell.
        """
        head, screen = question.environment.head, self._standing.screen
        assert screen is not None
        known = await self._standing.known_on(head)
        answers = self._at_once(question, count) if known is not None else None
        if answers is None and self._final is FinalVerdict.IN_PROCESS:
            answers = await self._standing.learned(question, SURROUNDINGS[:count])
        if answers is not None:
            return answers
        return await self._asked(head, lambda fork: screen.learned(question, fork, SURROUNDINGS[:count]))

    async def _on_fork(self, question: Question) -> Verdict:
        calls = [*question.calls(), ("eth_getCode", (question.tx.to, "latest"))]
        results = await self._asked(question.environment.head, lambda fork: fork.batch(calls))
        answer = agreed(question, question.read(results[:-1]))
        return self._told(question, answer, _code_hash(results[-1]))

    async def _asked(self, head: Head, asking: Callable[[Anvil], Awaitable[_T]]) -> _T:
        """The fork on `head`, asked; one that does not answer is given up."""
        async with self._standing.on(head) as fork:
            try:
                return await asking(fork)
            except (AnvilFailed, asyncio.CancelledError):
                await self._standing.drop()
                raise

    def _told(self, question: Question, answer: Answer, code_hash: str = "") -> Verdict:
        tx, head = question.tx, question.environment.head
        return Verdict(
            outcome=Outcome.OK if answer.succeeded else Outcome.REVERTED,
            tx_digest=tx.digest,
            block_number=head.number,
            block_hash=head.hash,
            gas_used=answer.gas_used,
            gas_price_wei=gas_price_wei(tx, question.environment.base_fee_wei),
            deltas=answer.deltas,
            reason="" if answer.succeeded else self._reason(answer, tx),
            made_at_s=self._clock.wall_s(),
            code_hash=code_hash or self._standing.code_hash(tx.to),
        )

    def _reason(self, answer: Answer, tx: UnsignedTransaction) -> str:
        if not answer.return_data and answer.gas_used >= tx.gas_limit:
            return f"used all of its {tx.gas_limit} gas (out of gas, or an invalid instruction)"
        return self._reasons.read(answer.return_data)

    def _invalid(self, tx: UnsignedTransaction, head: Head, reason: str, cause: Reason | None = None) -> Verdict:
        return Verdict(
            outcome=Outcome.INVALID,
            tx_digest=tx.digest,
            block_number=head.number,
            block_hash=head.hash,
            gas_used=0,
            gas_price_wei=0,
            reason=reason,
            made_at_s=self._clock.wall_s(),
            cause=cause,
        )


def _is_for_coins(error: Exception) -> bool:
    """Whether a sender cannot pay, by what was found here or by Anvil's word."""
    said = isinstance(error, RpcError) and "insufficient funds" in error.message.lower()
    return said or isinstance(error, NoCoins)


def _code_hash(code: object) -> str:
    """Of what stands at the target now. Raises `Unanswered` when the fork did not tell."""
    if not isinstance(code, str) or not code.startswith("0x"):
        raise Unanswered(f"the target's code could not be read: {code}")
    return "0x" + keccak(hexstr=code).hex()
