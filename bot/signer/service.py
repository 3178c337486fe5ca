"""The signer's judgement: one answer per message. It believes nobody, and remembers before it answers."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping

from bot.clock import Clock
from bot.reasons import Reason, Refusal
from bot.signer.budget import DAY_S, Budgets
from bot.signer.case import AMOUNT_LIMIT, Case, build
from bot.signer.checks import review
from bot.signer.journal import Entry, Journal, JournalError, Settlement
from bot.signer.key import SigningKey
from bot.signer.policy import SignerPolicy
from bot.signer.protocol import (
    Cancel,
    Denial,
    Replace,
    Request,
    Response,
    Settle,
    Settled,
    Signed,
    SignRequest,
    Status,
    parse_request,
)
from bot.signer.replacements import ANSWERED, never_signed, noop, outbids, raised, same_call
from bot.signer.wire import InvalidMessage
from bot.transaction import UnsignedTransaction, read_signed


class Signer:
    """Policy, key and journal of one operator on one chain. Single-threaded."""

    def __init__(
        self,
        *,
        policy: SignerPolicy,
        policy_digest: str,
        key: SigningKey,
        journal: Journal,
        clock: Clock,
        protections: Mapping[str, bool],
    ) -> None:
        """Raises `ValueError` when the key is not the policy's operator, `JournalError` as `Journal`."""
        if key.address != policy.operator:
            raise ValueError(f"the keystore is for {key.address}, but the policy's operator is {policy.operator}")
        self._policy = policy
        self._policy_digest = policy_digest
        self._key = key
        self._journal = journal
        self._clock = clock
        self._protections = protections
        self._newest_head = 0
        self._newest_time_s = 0.0
        self._reload()

    def answer(self, data: bytes) -> Response:
        """The response to one message. Never raises: whatever cannot be judged is denied."""
        try:
            return self._respond(parse_request(data))
        except InvalidMessage as error:
            return Denial(Reason.SIGNER_MALFORMED, str(error))
        except JournalError as error:
            return Denial(Reason.SIGNER_JOURNAL, str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return Denial(Reason.SIGNER_INTERNAL, f"{type(error).__name__} inside the signer; see its log")

    def _respond(self, request: Request) -> Response:
        if isinstance(request, SignRequest):
            return self._sign(request)
        if isinstance(request, Replace):
            return self._replace(request)
        if isinstance(request, Cancel):
            return self._cancel(request)
        if isinstance(request, Settle):
            return self._settle(request)
        return self._status()

    def _case(self, request: SignRequest) -> Case | Refusal:
        newest_head = max(self._newest_head, request.head_number)
        case = build(self._policy, request, newest_head=newest_head, now_s=self._clock.wall_s())
        if isinstance(case, Case):
            self._newest_head = newest_head
        return case

    def _sign(self, request: SignRequest) -> Signed | Denial:
        case = self._case(request)
        if isinstance(case, Refusal):
            return _denial(case)
        if before := self._journal.find(request.intent_id):
            return _again(before, case)
        if refusal := review(case) or self._nonce_taken(case) or self._over_budget(case):
            return _denial(refusal)
        return self._signed(case)

    def _replace(self, request: Replace) -> Signed | Denial:
        case = self._case(request.again)
        if isinstance(case, Refusal):
            return _denial(case)
        entry = self._journal.find(request.again.intent_id)
        if entry is None:
            return _denial(never_signed(request.again.intent_id))
        standing = raised(entry, case)
        refusal = same_call(entry, case) or review(case, ANSWERED) or self._over_budget_with(entry, standing, case)
        if refusal is not None:
            return _denial(refusal)
        return self._in_place(standing, case.transaction)

    def _cancel(self, request: Cancel) -> Signed | Denial:
        """Signed whatever else is refused: it spends nothing but gas, of which no more than was reserved."""
        entry = self._journal.find(request.intent_id)
        if entry is None:
            return _denial(never_signed(request.intent_id))
        transaction = noop(entry, request.fees, self._policy.caps)
        return _denial(transaction) if isinstance(transaction, Refusal) else self._in_place(entry, transaction)

    def _in_place(self, entry: Entry, transaction: UnsignedTransaction) -> Signed | Denial:
        raws = (entry.raw, *self._journal.replacements(entry.intent_id))
        earlier = [read_signed(raw, entry.sender) for raw in raws]
        if transaction not in earlier and (refusal := outbids(earlier, transaction)):
            return _denial(refusal)
        signed = self._key.sign(transaction)
        if transaction not in earlier:
            self._journal.replace(entry, signed.tx_hash, signed.raw, self._now_s())
            if entry.settlement is None:
                self._budgets.reserve(entry)
        return Signed(signed.raw, signed.tx_hash)

    def _over_budget_with(self, before: Entry, standing: Entry, case: Case) -> Refusal | None:
        """Whether what `standing` may cost beyond `before` fits into the budget."""
        return self._budgets.check(
            case.plan.strategy,
            case.limits,
            worst_case_wei=standing.worst_case_wei - before.worst_case_wei,
            worst_gas_wei=standing.worst_gas_wei - before.worst_gas_wei,
            now_s=self._now_s(),
        )

    def _nonce_taken(self, case: Case) -> Refusal | None:
        transaction = case.transaction
        holder = self._journal.holder(transaction.chain_id, transaction.sender, transaction.nonce)
        if holder is None:
            return None
        return Refusal(Reason.SIGNER_NONCE, f"nonce {transaction.nonce} belongs to intent {holder}")

    def _over_budget(self, case: Case) -> Refusal | None:
        return self._budgets.check(
            case.plan.strategy,
            case.limits,
            worst_case_wei=case.request.worst_case_wei,
            worst_gas_wei=case.request.fees.worst_cost_wei,
            now_s=self._now_s(),
        )

    def _signed(self, case: Case) -> Signed:
        signed = self._key.sign(case.transaction)
        entry = Entry(
            chain_id=case.transaction.chain_id,
            sender=case.transaction.sender,
            nonce=case.transaction.nonce,
            intent_id=case.request.intent_id,
            plan_id=case.plan.id,
            strategy=case.plan.strategy,
            worst_case_wei=case.request.worst_case_wei,
            worst_gas_wei=case.request.fees.worst_cost_wei,
            at_s=self._now_s(),
            tx_digest=case.transaction.digest,
            tx_hash=signed.tx_hash,
            raw=signed.raw,
        )
        self._record(entry)
        return Signed(signed.raw, signed.tx_hash)

    def _record(self, entry: Entry) -> None:
        try:
            self._journal.record(entry)
        except JournalError:
            # Whether a failed commit reached the disk is unknown; only the disk can tell what is reserved.
            self._reload()
            raise
        self._budgets.reserve(entry)

    def _settle(self, request: Settle) -> Settled | Denial:
        entry = self._journal.find(request.intent_id)
        if problem := _settlement_problem(request, entry):
            return Denial(Reason.SIGNER_SETTLEMENT, problem)
        assert entry is not None
        if entry.settlement is None:
            settlement = Settlement(request.gas_cost_wei, request.profit_wei, self._now_s())
            self._journal.settle(request.intent_id, settlement)
            self._budgets.settle(entry, settlement)
            return Settled(settlement.loss_wei)
        return Settled(entry.settlement.loss_wei)

    def _status(self) -> Status:
        now_s = self._now_s()
        return Status(
            address=self._key.address,
            chain_id=self._policy.chain_id,
            policy_digest=self._policy_digest,
            signed=self._journal.size(),
            unsettled=self._budgets.unsettled,
            protections=self._protections,
            strategies={name: self._budgets.usage(name, now_s) for name in self._policy.strategies},
        )

    def _now_s(self) -> float:
        """The windows' clock: the wall's, except that it never goes back, across restarts neither."""
        self._newest_time_s = max(self._newest_time_s, self._clock.wall_s())
        return self._newest_time_s

    def _reload(self) -> None:
        self._newest_time_s = max(self._newest_time_s, self._journal.newest_time_s())
        self._budgets = Budgets(self._journal.entries(settled_since_s=self._now_s() - DAY_S))


def _again(before: Entry, case: Case) -> Signed | Denial:
    """The answer to an intent that was signed before: the same bytes, or none."""
    if before.tx_digest != case.transaction.digest:
        return Denial(Reason.SIGNER_NONCE, f"intent {before.intent_id} was signed as another transaction")
    if before.settlement is not None and before.settlement.abandoned:
        return Denial(Reason.SIGNER_NONCE, f"intent {before.intent_id} was settled as never sent; its nonce is free")
    return Signed(before.raw, before.tx_hash)


def _settlement_problem(request: Settle, entry: Entry | None) -> str | None:
    if entry is None:
        return f"intent {request.intent_id} was never signed"
    if not 0 <= request.gas_cost_wei <= entry.worst_gas_wei:
        return f"gas of {request.gas_cost_wei} wei; the transaction can burn 0 to {entry.worst_gas_wei}"
    if abs(request.profit_wei) >= AMOUNT_LIMIT:
        return f"profit {request.profit_wei} is out of range"
    known = entry.settlement
    if known is not None and (known.gas_cost_wei, known.profit_wei) != (request.gas_cost_wei, request.profit_wei):
        return f"intent {request.intent_id} is settled already, with other figures"
    return None


def _denial(refusal: Refusal) -> Denial:
    return Denial(refusal.reason, refusal.detail)
