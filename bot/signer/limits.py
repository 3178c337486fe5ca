"""Limits changed while the signer runs: lowered by whoever may halt it, raised only by the owner's signature.

A change is a file beside the kill switch. The signer finds it, checks it by itself, writes into its journal's audit who
changed what, from what, to what and why, and counts by it from the next signature on, restarts included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from eth_utils.crypto import keccak

from bot.signer import wire
from bot.signer.owned import Dropped, NotSigned, content_of, name_of, signed_by, typed_digest
from bot.signer.policy import SignerPolicy, StrategyLimits
from bot.signer.switch import TOTAL
from bot.signer.wire import InvalidMessage
from chains.assets import Address

FOLDER = "limits"
COUNTS = ("failures_in_a_row", "transactions_a_minute")
AMOUNTS = ("per_trade", "hour_loss", "day_loss", "lifetime_loss", "day_gas", "exposure", "drawdown")
CHANGEABLE = (*AMOUNTS, *COUNTS)
"""Limits by the names they have in a budget: amounts are wei of ETH, counts are counts."""

CONFIGURED: Mapping[str, str] = MappingProxyType({"exposure": "capital", "day_gas": "gas_day"})
"""What the configuration, and so a person, calls the limits that have another name in a budget."""

SET, REFUSED = "limit_set", "limit_refused"
MAX_AMOUNT = 2**127
MAX_TEXT = 200
FRESH_S = 86_400
AHEAD_S = 300
"""A raise is taken within a day of its making, and from a clock that is no more than minutes ahead. What lowers a limit
is taken whatever the clocks say.
"""

_ID = re.compile(r"0x[0-9a-f]{32}")
_TYPE = "Limit(address operator,string strategy,string limit,uint256 amount,uint256 madeAt,bytes16 id)"


class InvalidChange(ValueError):
    """A change of a limit that is none, or that may not be made so. One line."""


@dataclass(frozen=True, slots=True)
class LimitChange:
    """`limit` of `strategy` (empty: of all together) is `amount` from now on, for one operator's key on one chain.

    `made_at_s` is seconds since the epoch, `by` and `because` who says so and why. `id` is 16 random bytes, 0x hex.
    """

    chain_id: int
    operator: Address
    strategy: str
    limit: str
    amount: int
    made_at_s: int
    id: str
    by: str
    because: str

    def __post_init__(self) -> None:
        if self.limit not in CHANGEABLE:
            raise InvalidChange(f"limit {self.limit!r} cannot be set; those that can are {', '.join(CHANGEABLE)}")
        if not 0 <= self.amount < MAX_AMOUNT:
            raise InvalidChange(f"an amount of {self.amount} is out of range")
        if not _ID.fullmatch(self.id):
            raise InvalidChange("its id is not 16 bytes of hex")
        if not 0 < len(self.by) <= MAX_TEXT or not 0 < len(self.because) <= MAX_TEXT:
            raise InvalidChange(f"it must say by whom and why, in 1 to {MAX_TEXT} characters each")

    def digest(self) -> bytes:
        """What the owner signs."""
        return typed_digest(
            self.chain_id,
            _TYPE,
            ["address", "bytes32", "bytes32", "uint256", "uint256", "bytes16"],
            [
                *(self.operator, keccak(text=self.strategy), keccak(text=self.limit)),
                *(self.amount, self.made_at_s, bytes.fromhex(self.id[2:])),
            ],
        )


@dataclass(frozen=True, slots=True)
class SignedChange:
    """A change, and the owner's signature (r, s and v) where it has one: only what lowers a limit needs none."""

    change: LimitChange
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Taken:
    """A change that was taken, as the audit keeps it: what the limit was then, and what the configuration said."""

    change: LimitChange
    before: int
    configured: int
    owner: Address | None

    @property
    def raises(self) -> bool:
        """Whether only the owner may do so."""
        return self.change.amount > self.before


def owner_of(signed: SignedChange, policy: SignerPolicy) -> Address | None:
    """The owner who signed it; None where nobody did. Raises `InvalidChange` for anybody else's signature."""
    if not signed.signature:
        return None
    try:
        by = signed_by(signed.change.digest(), signed.signature)
    except NotSigned as error:
        raise InvalidChange(str(error)) from None
    if policy.owner is None:
        raise InvalidChange("the policy names no owner; write signer.owner")
    if by != policy.owner:
        raise InvalidChange(f"it was not signed by the owner, {policy.owner}")
    return by


def change_file(folder: Path, change_id: str) -> Path:
    return folder / FOLDER / f"{change_id}.json"


def field_of(limit: str) -> str:
    """What `limit` is called in `StrategyLimits`."""
    return limit if limit in COUNTS else f"{limit}_wei"


@dataclass(slots=True)
class _Standing:
    """How one limit was changed: raised to `raised` over the `configured` figure, lowered to `lowered` since."""

    raised: int | None = None
    configured: int = 0
    lowered: int | None = None
    changed_at_s: int = 0

    def of(self, configured: int) -> int:
        """The limit. A raise holds over the figure it was made over: once the file says another, the file holds."""
        limit = self.raised if self.raised is not None and configured == self.configured else configured
        return limit if self.lowered is None else min(limit, self.lowered)

    def take(self, taken: Taken, at_s: float) -> None:
        if taken.raises:
            self.raised, self.configured, self.lowered = taken.change.amount, taken.configured, None
        else:
            self.lowered = taken.change.amount
        # By a clock that is far ahead it would outdate the owner's word until that time comes.
        self.changed_at_s = max(self.changed_at_s, min(taken.change.made_at_s, int(at_s) + AHEAD_S))


class LimitBook:
    """The limits of one policy as they stand now. Looked at again whenever the folder of changes has changed."""

    def __init__(
        self,
        folder: Path,
        policy: SignerPolicy,
        note: Callable[[str, str], None],
        audit: Iterable[tuple[float, str, str]] = (),
    ) -> None:
        """`note` is told, once, of every change taken or refused; `audit` is what it was told before."""
        self._dropped = Dropped(folder / FOLDER)
        self._policy = policy
        self._note = note
        self._standing: dict[tuple[str, str], _Standing] = {}
        self._known: set[str] = set()
        for at_s, what, detail in audit:
            if what == SET:
                self._count(wire.decode(Taken, detail.encode()), at_s)
            elif what == REFUSED:
                self._known.add(detail.partition(" ")[0])

    def of(self, scope: str, now_s: float) -> StrategyLimits:
        """The limits of a strategy, or of all together under `TOTAL`, for the next signature."""
        self._look(now_s)
        configured = self._configured(scope)
        changed: dict[str, Any] = {
            field_of(limit): standing.of(getattr(configured, field_of(limit)))
            for (name, limit), standing in self._standing.items()
            if name == scope
        }
        return replace(configured, **changed) if changed else configured

    def changes(self, now_s: float) -> Mapping[str, Mapping[str, int]]:
        """By how much limits differ from the policy's now, by scope and name; what does not is left out."""
        self._look(now_s)
        found: dict[str, dict[str, int]] = {}
        for (scope, limit), standing in self._standing.items():
            if scope == TOTAL or scope in self._policy.strategies:
                configured = getattr(self._configured(scope), field_of(limit))
                if by := standing.of(configured) - configured:
                    found.setdefault(scope, {})[limit] = by
        return found

    def _configured(self, scope: str) -> StrategyLimits:
        return self._policy.total if scope == TOTAL else self._policy.strategies[scope]

    def _look(self, now_s: float) -> None:
        files = self._dropped.files(now_s)
        if not files:
            return
        try:
            self._heed([file for file in files if file.suffix == ".json" and name_of(file) not in self._known], now_s)
        except BaseException:
            self._dropped.look_again()
            raise

    def _heed(self, files: Iterable[Path], now_s: float) -> None:
        read = []
        for file in files:
            try:
                read.append(self._read(file))
            except (InvalidChange, InvalidMessage, OSError) as error:
                self._refuse(name_of(file), error)
        for signed in sorted(read, key=lambda signed: (signed.change.made_at_s, signed.change.id)):
            try:
                self._take(signed, now_s)
            except InvalidChange as error:
                self._refuse(signed.change.id, error)

    def _refuse(self, change_id: str, error: Exception) -> None:
        self._note(REFUSED, f"{change_id} {error}")
        self._known.add(change_id)

    def _read(self, file: Path) -> SignedChange:
        signed = wire.decode(SignedChange, content_of(file))
        change, policy = signed.change, self._policy
        if file.stem != change.id:
            raise InvalidChange(f"the file is named otherwise than its change, {change.id}")
        if change.chain_id != policy.chain_id or change.operator not in policy.operators:
            raise InvalidChange(f"it is for {change.operator} on chain {change.chain_id}")
        if change.strategy != TOTAL and change.strategy not in policy.strategies:
            raise InvalidChange(f"strategy {change.strategy!r} is not in the policy")
        return signed

    def _take(self, signed: SignedChange, now_s: float) -> None:
        change = signed.change
        standing = self._standing.get((change.strategy, change.limit), _Standing())
        configured = getattr(self._configured(change.strategy), field_of(change.limit))
        taken = Taken(change, standing.of(configured), configured, owner_of(signed, self._policy))
        if taken.raises:
            self._require_raise(taken, standing, now_s)
        # Before it counts: what is not in the audit never was.
        self._note(SET, wire.encode(taken).decode())
        self._count(taken, now_s)

    def _require_raise(self, taken: Taken, standing: _Standing, now_s: float) -> None:
        change = taken.change
        if taken.owner is None:
            raised = f"from {taken.before} to {change.amount}"
            raise InvalidChange(f"it raises the limit {raised}, which only the owner may")
        if not now_s - FRESH_S <= change.made_at_s <= now_s + AHEAD_S:
            raise InvalidChange("it was not made within the last day; make it anew")
        if change.made_at_s < standing.changed_at_s:
            raise InvalidChange("the limit was changed since it was made; make it anew")

    def _count(self, taken: Taken, at_s: float) -> None:
        change = taken.change
        self._known.add(change.id)
        self._standing.setdefault((change.strategy, change.limit), _Standing()).take(taken, at_s)
