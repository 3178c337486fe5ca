"""The signer's judgement: one answer per message. It believes nobody, and remembers before it answers."""

from __future__ import annotations

import math
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from eth_utils.crypto import keccak

from bot.clock import Clock
from bot.gas import ETHER, GasCoin
from bot.reasons import Reason, Refusal
from bot.signer.breakers import RESUMED, Breakers
from bot.signer.budget import MINUTE_S, Asked, Broken, Budgets
from bot.signer.case import AMOUNT_LIMIT, Case, build
from bot.signer.checks import review, stopped
from bot.signer.entries import Draw, Entry, Settlement
from bot.signer.gap import gaps
from bot.signer.grants import GrantBook
from bot.signer.journal import Journal, JournalError
from bot.signer.key import Key
from bot.signer.limits import LimitBook
from bot.signer.policy import SignerPolicy
from bot.signer.protocol import (
    Cancel,
    Cover,
    Denial,
    GrantUsage,
    Heartbeat,
    Replace,
    Request,
    Response,
    Settle,
    Settled,
    Signed,
    SignRequest,
    Status,
    StatusRequest,
    parse_request,
)
from bot.signer.replacements import ANSWERED, never_signed, noop, outbids, raised, same_call
from bot.signer.switch import TOTAL, KillSwitch, Trading
from bot.signer.wire import InvalidMessage
from bot.transaction import UnsignedTransaction, read_signed


class Signer:
    """Policy, keys, journal and kill switch of a run's operators on one chain. Single-threaded."""

    def __init__(
        self,
        *,
        policy: SignerPolicy,
        policy_digest: str,
        key: Key,
        journal: Journal,
        switch: KillSwitch,
        clock: Clock,
        protections: Mapping[str, bool],
        further_keys: Sequence[Key] = (),
    ) -> None:
        """Raises `ValueError` when the keys are not those of the policy's operators, `JournalError` as `Journal`."""
        keys = (key, *further_keys)
        if (held := tuple(each.address for each in keys)) != policy.operators:
            raise ValueError(f"the keys are for {', '.join(held)}, the policy for {', '.join(policy.operators)}")
        self._policy = policy
        self._policy_digest = policy_digest
        self._keys = {each.address: each for each in keys}
        self._journal = journal
        self._clock = clock
        self._protections = protections
        self._newest_head = 0
        self._newest_time_s = 0.0
        self._newest_moment_s = 0.0
        self._breakers = Breakers(switch, journal, self._now_s, clock.monotonic_ns, self._on_resumed, policy.dead_man_s)
        self._reload()

    def answer(self, data: bytes, observes: bool = False) -> Response:
        """The response to one message. Never raises: whatever cannot be judged is denied.

        Who `observes` may ask how it is, and nothing else.
        """
        try:
            request = parse_request(data)
            if observes and not isinstance(request, StatusRequest):
                return Denial(Reason.SIGNER_BUSY, "another client is connected to this signer; only its status is told")
            return self._respond(request)
        except InvalidMessage as error:
            return Denial(Reason.SIGNER_MALFORMED, str(error))
        except JournalError as error:
            return Denial(Reason.SIGNER_JOURNAL, self._if_halted() + str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            said = f"{type(error).__name__} inside the signer; see its log"
            return Denial(Reason.SIGNER_INTERNAL, self._if_halted() + said)

    def halt(self, because: str) -> None:
        """Halt everything, on the disk if it can be, and here in any case."""
        self._breakers.trip(TOTAL, because)
        self._breakers.throw()

    def _if_halted(self) -> str:
        """How the switch of all stands, to go before what else is wrong; nothing where it does not stop them."""
        switch = self._breakers.shown(TOTAL)
        return "" if switch.state is Trading.ACTIVE else f"{switch}; "

    def _respond(self, request: Request) -> Response:
        if self._in_doubt:
            self._reload()
        if isinstance(request, SignRequest | Replace | Cancel):
            with self._breakers.switch.signing():
                signed = self._signature(request)
            self._breakers.throw()
            return signed
        if isinstance(request, Settle):
            return self._settle(request)
        if isinstance(request, Cover):
            return self._cover(request)
        if isinstance(request, Heartbeat):
            self._breakers.wind_up()
        return self._status()

    def _signature(self, request: SignRequest | Replace | Cancel) -> Signed | Denial:
        if isinstance(request, SignRequest):
            return self._sign(request)
        return self._replace(request) if isinstance(request, Replace) else self._cancel(request)

    def _case(self, request: SignRequest) -> Case | Refusal:
        newest_head = max(self._newest_head, request.head_number)
        case = build(self._policy, request, newest_head=newest_head, now_s=self._clock.wall_s())
        if isinstance(case, Refusal):
            return case
        self._newest_head = newest_head
        begun = self._journal.of_plan(case.plan.unwinds) if case.unwinds else None
        case = replace(case, switch=self._breakers.standing(case.plan.strategy))
        if begun is None or not case.takes_back(begun):
            return case
        return replace(case, reduces=True, taken_back_wei=begun.exposure_wei)

    def _sign(self, request: SignRequest) -> Signed | Denial:
        case = self._case(request)
        if isinstance(case, Refusal):
            return _denial(case)
        if before := self._journal.find(request.intent_id):
            halted = stopped(case)
            return _denial(halted) if halted else _again(before, case)
        if refusal := review(case) or self._nonce_taken(case) or self._breakers.unproven():
            return _denial(refusal)
        draws = self._over_budget(case, _asked(case))
        return _denial(draws) if isinstance(draws, Refusal) else self._signed(case, draws)

    def _replace(self, request: Replace) -> Signed | Denial:
        case = self._case(request.again)
        if isinstance(case, Refusal):
            return _denial(case)
        entry = self._journal.find(request.again.intent_id)
        if entry is None:
            return _denial(never_signed(request.again.intent_id))
        if refusal := same_call(entry, case) or review(case, ANSWERED) or self._breakers.unproven():
            return _denial(refusal)
        standing = raised(entry, case)
        draws = self._over_budget(case, _asked_besides(entry, standing))
        if isinstance(draws, Refusal):
            return _denial(draws)
        return self._in_place(entry, replace(standing, draws=(*entry.draws, *draws)), case.transaction)

    def _cancel(self, request: Cancel) -> Signed | Denial:
        """Signed whatever else is refused, halted or not: it spends only gas, and no more than was reserved."""
        entry = self._journal.find(request.intent_id)
        if entry is None:
            return _denial(never_signed(request.intent_id))
        transaction = noop(entry, request.fees, self._policy)
        return _denial(transaction) if isinstance(transaction, Refusal) else self._in_place(entry, entry, transaction)

    def _in_place(self, before: Entry, entry: Entry, transaction: UnsignedTransaction) -> Signed | Denial:
        """Sign what stands in place of `before`, which is `entry` from then on."""
        raws = (entry.raw, *self._journal.replacements(entry.intent_id))
        earlier = [read_signed(raw, entry.sender) for raw in raws]
        if transaction in earlier:
            # A device may sign the same twice and differently; what was given once is what may be out there.
            raw = raws[earlier.index(transaction)]
            return Signed(raw, "0x" + keccak(raw).hex())
        if refusal := outbids(earlier, transaction):
            return _denial(refusal)
        signed = self._keys[transaction.sender].sign(transaction)
        with self._committing():
            self._journal.replace(entry, signed.tx_hash, signed.raw, self._now_s())
            if entry.settlement is None:
                self._budgets.replace(before, entry, self._now_s())
        return Signed(signed.raw, signed.tx_hash)

    def _nonce_taken(self, case: Case) -> Refusal | None:
        transaction = case.transaction
        holder = self._journal.holder(transaction.chain_id, transaction.sender, transaction.nonce)
        if holder is None:
            return None
        return Refusal(Reason.SIGNER_NONCE, f"nonce {transaction.nonce} belongs to intent {holder}")

    def _over_budget(self, case: Case, asked: Asked) -> Refusal | tuple[Draw, ...]:
        now_s = self._now_s()
        limits = {name: self._limits.of(name, now_s) for name in (case.plan.strategy, TOTAL)}
        decided = self._budgets.check(asked, limits, self._grants, now_s)
        if isinstance(decided, Broken):
            self._breakers.trip(decided.strategy, str(decided.refusal))
            return decided.refusal
        return decided

    def _signed(self, case: Case, draws: tuple[Draw, ...]) -> Signed | Denial:
        signed = self._keys[case.transaction.sender].sign(case.transaction)
        entry = Entry(
            chain_id=case.transaction.chain_id,
            sender=case.transaction.sender,
            nonce=case.transaction.nonce,
            intent_id=case.request.intent_id,
            plan_id=case.plan.id,
            strategy=case.plan.strategy,
            worst_case_wei=case.request.worst_case_wei,
            worst_gas_wei=case.worst_gas_wei,
            at_s=self._now_s(),
            tx_digest=case.transaction.digest,
            tx_hash=signed.tx_hash,
            raw=signed.raw,
            exposure_wei=case.exposure_wei,
            draws=draws,
            verdict_digest=case.request.verdict.digest,
        )
        if halted := self._halted_meanwhile(case):
            return _denial(halted)
        with self._committing():
            self._journal.record(entry)
            self._budgets.reserve(entry)
        return Signed(signed.raw, signed.tx_hash)

    def _halted_meanwhile(self, case: Case) -> Refusal | None:
        """A file made by hand waits for nobody's lock: what is dated after it is never kept, and never leaves."""
        return stopped(replace(case, switch=self._breakers.standing(case.plan.strategy)))

    @contextmanager
    def _committing(self) -> Iterator[None]:
        """Whether a failed commit reached the disk is unknown: the disk tells what counts before the next answer."""
        self._in_doubt = True
        yield
        self._in_doubt = False

    def _settle(self, request: Settle) -> Settled | Denial:
        entry = self._journal.find(request.intent_id)
        gas_wei = self._policy.coin.cost_wei(request.gas_cost_wei)
        if problem := _settlement_problem(request, entry, gas_wei, self._policy.coin):
            return Denial(Reason.SIGNER_SETTLEMENT, problem)
        assert entry is not None
        done = entry.settlement
        if done is None:
            done = Settlement(gas_wei, request.profit_wei, self._moment_s())
            with self._committing():
                self._journal.settle(request.intent_id, done)
                self._budgets.settle(entry, done)
        return Settled(done.loss_wei)

    def _cover(self, request: Cover) -> Settled | Denial:
        """What is settled stays so."""
        entry = self._journal.find(request.intent_id)
        if entry is None:
            return Denial(Reason.SIGNER_SETTLEMENT, f"intent {request.intent_id} was never signed")
        if entry.settlement is not None:
            return Settled(entry.settlement.loss_wei)
        if entry.covered != request.covered:
            entry = replace(entry, covered=request.covered)
            with self._committing():
                self._journal.cover(entry)
                self._budgets.cover(entry)
        return Settled(entry.worst_case_wei)

    def _status(self) -> Status:
        now_s = self._now_s()
        names = (TOTAL, *self._policy.strategies)
        # First: a resume that is seen here lets failures and drawdown count anew.
        switches = {name: str(self._breakers.standing(name)) for name in names}
        return Status(
            address=self._policy.operator,
            chain_id=self._policy.chain_id,
            policy_digest=self._policy_digest,
            signed=self._journal.size(),
            unsettled=self._budgets.unsettled,
            protections=self._protections,
            strategies={name: self._budgets.worst(name, self._limits.of(name, now_s), now_s) for name in names},
            switches=switches,
            grants={
                name: GrantUsage(it.strategy, it.limit, it.amount_wei, self._budgets.drawn(name), it.not_after_s)
                for name, it in self._grants.in_force(now_s).items()
            },
            refused_grants=self._grants.refused(now_s),
            limits=self._limits.changes(now_s),
        )

    def _now_s(self) -> float:
        """The windows' clock: the wall's, except that it never goes back, across restarts neither."""
        self._newest_time_s = max(self._newest_time_s, self._clock.wall_s())
        return self._newest_time_s

    def _moment_s(self) -> float:
        """As `_now_s`, but never the same twice: by it what was settled and resumed is put in order after a restart."""
        self._newest_moment_s = max(self._now_s(), math.nextafter(self._newest_moment_s, math.inf))
        return self._newest_moment_s

    def _on_resumed(self, strategy: str) -> None:
        self._journal.note(self._moment_s(), RESUMED, strategy)
        self._budgets.resume(strategy)

    def _reload(self) -> None:
        self._journal.verify()
        self._newest_time_s = max(self._newest_time_s, self._journal.newest_time_s())
        audit = self._journal.audit()
        self._newest_moment_s = max(self._newest_moment_s, self._newest_time_s)
        replaced = self._journal.replaced(self._now_s() - MINUTE_S)
        self._budgets = Budgets(self._journal.entries(), self._breakers.resumed(audit), gaps(audit), replaced)
        revoked = frozenset(detail for _, what, detail in audit if what == "grant_revoked")
        folder = self._breakers.switch.folder
        restored_s = max((gap.until_s for gap in gaps(audit)), default=0.0)
        self._grants = GrantBook(folder, self._policy, self._note, revoked, restored_s)
        self._limits = LimitBook(folder, self._policy, self._note, audit)
        self._in_doubt = False

    def _note(self, what: str, detail: str) -> None:
        self._journal.note(self._now_s(), what, detail)


def _asked(case: Case) -> Asked:
    return Asked(case.plan.strategy, case.request.worst_case_wei, case.worst_gas_wei, case.exposure_wei)


def _asked_besides(before: Entry, standing: Entry) -> Asked:
    """What `standing` may cost beyond what is reserved for `before`."""
    return Asked(
        before.strategy,
        standing.worst_case_wei - before.worst_case_wei,
        standing.worst_gas_wei - before.worst_gas_wei,
        in_this_trade_wei=before.worst_case_wei + before.exposure_wei,
    )


def _again(before: Entry, case: Case) -> Signed | Denial:
    """The answer to an intent that was signed before: the same bytes, or none."""
    if before.tx_digest != case.transaction.digest:
        return Denial(Reason.SIGNER_NONCE, f"intent {before.intent_id} was signed as another transaction")
    if before.settlement is not None and before.settlement.abandoned:
        return Denial(Reason.SIGNER_NONCE, f"intent {before.intent_id} was settled as never sent; its nonce is free")
    return Signed(before.raw, before.tx_hash)


def _settlement_problem(request: Settle, entry: Entry | None, gas_wei: int, coin: GasCoin) -> str | None:
    """Why `request` cannot be what became of `entry`. `gas_wei` is what its gas costs in ETH."""
    if entry is None:
        return f"intent {request.intent_id} was never signed"
    # More than was reserved is a loss all the same: a rollup charges for bytes what they cost by then, and a NOOP may
    # cost as much as the worst case.
    if not 0 <= gas_wei < AMOUNT_LIMIT:
        return f"gas of {gas_wei} wei is out of range"
    if abs(request.profit_wei) >= AMOUNT_LIMIT:
        return f"profit {request.profit_wei} is out of range"
    known = entry.settlement
    if known is None:
        return None
    # A run that opened since may have other marks: the same gas and the same tokens need not come to the same wei then.
    same_gas = known.gas_cost_wei == gas_wei or (coin != ETHER and bool(known.gas_cost_wei) and bool(gas_wei))
    if not same_gas or known.profit_wei != request.profit_wei:
        return f"intent {request.intent_id} is settled already, with other figures"
    return None


def _denial(refusal: Refusal) -> Denial:
    return Denial(refusal.reason, refusal.detail)
