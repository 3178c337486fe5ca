"""Grants: capabilities to go beyond a limit, for a time and up to an amount, signed by a key that is never in the bot.

The signer finds them as files beside its kill switch and checks the signature itself (EIP-712, by the owner that its
policy names). Drawn once, an amount is used up, across restarts too. A revocation needs no signature.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eth_utils.crypto import keccak

from bot.signer import wire
from bot.signer.owned import Dropped, NotSigned, content_of, name_of, signed_by, typed_digest
from bot.signer.policy import SignerPolicy
from bot.signer.wire import InvalidMessage
from chains.assets import Address

FOLDER = "grants"
LIMITS = ("per_trade", "hour_loss", "day_loss", "lifetime_loss", "day_gas", "exposure", "drawdown")
"""What can be granted more of, by the names that limits have in a budget."""

MAX_AMOUNT_WEI = 2**127
MAX_TIME_S = 2**40
_REFUSED_TOLD, _WHY_LENGTH = 16, 200
"""How many files that are no grants are told of, and how much of why: anybody who shares the folder may fill it."""

_ID = re.compile(r"0x[0-9a-f]{32}")
_GRANT_TYPE = (
    "Grant(address operator,string strategy,string limit,uint256 amountWei,"
    "uint256 notBefore,uint256 notAfter,bytes16 id)"
)


class InvalidGrant(ValueError):
    """A grant that is not one, is for somebody else, or was not signed by the owner. One line."""


@dataclass(frozen=True, slots=True)
class Grant:
    """`amount_wei` beyond `limit` of `strategy` (empty: of all together), for one operator's key on one chain.

    It holds from `not_before_s` until `not_after_s` (seconds since the epoch). `id` is 16 random bytes, 0x hex.
    """

    chain_id: int
    operator: Address
    strategy: str
    limit: str
    amount_wei: int
    not_before_s: int
    not_after_s: int
    id: str

    def __post_init__(self) -> None:
        if self.limit not in LIMITS:
            raise InvalidGrant(f"limit {self.limit!r} cannot be granted; those that can are {', '.join(LIMITS)}")
        if not 0 < self.amount_wei < MAX_AMOUNT_WEI:
            raise InvalidGrant(f"an amount of {self.amount_wei} wei is out of range")
        if not 0 <= self.not_before_s < self.not_after_s < MAX_TIME_S:
            raise InvalidGrant(f"it would hold from {self.not_before_s} to {self.not_after_s}; that is no time at all")
        if not _ID.fullmatch(self.id):
            raise InvalidGrant("its id is not 16 bytes of hex")

    def digest(self) -> bytes:
        """What the owner signs: EIP-712's hash of this grant."""
        return typed_digest(
            self.chain_id,
            _GRANT_TYPE,
            ["address", "bytes32", "bytes32", "uint256", "uint256", "uint256", "bytes16"],
            [
                *(self.operator, keccak(text=self.strategy), keccak(text=self.limit)),
                *(self.amount_wei, self.not_before_s, self.not_after_s, bytes.fromhex(self.id[2:])),
            ],
        )


@dataclass(frozen=True, slots=True)
class SignedGrant:
    """A grant and the owner's signature: r, s and v, as wallets write it."""

    grant: Grant
    signature: bytes

    def signer(self) -> Address:
        """Whose signature it is. Raises `InvalidGrant`."""
        try:
            return signed_by(self.grant.digest(), self.signature)
        except NotSigned as error:
            raise InvalidGrant(str(error)) from None


def encode_grant(signed: SignedGrant) -> bytes:
    """A grant file's bytes."""
    return wire.encode(signed)


def decode_grant(data: bytes) -> SignedGrant:
    """The inverse of `encode_grant`. Raises `InvalidGrant`."""
    try:
        return wire.decode(SignedGrant, data)
    except InvalidMessage as error:
        raise InvalidGrant(str(error)) from None


def require_binding(signed: SignedGrant, policy: SignerPolicy) -> None:
    """That a signer with `policy` takes this grant. Raises `InvalidGrant`."""
    grant = signed.grant
    if policy.owner is None:
        raise InvalidGrant("the policy names no owner; write signer.owner")
    if signed.signer() != policy.owner:
        raise InvalidGrant(f"it was not signed by the owner, {policy.owner}")
    if grant.chain_id != policy.chain_id or grant.operator not in policy.operators:
        raise InvalidGrant(f"it is for {grant.operator} on chain {grant.chain_id}")
    if grant.strategy and grant.strategy not in policy.strategies:
        raise InvalidGrant(f"strategy {grant.strategy!r} is not in the policy")


def grant_file(folder: Path, grant_id: str) -> Path:
    return folder / FOLDER / f"{grant_id}.json"


def revocation_file(folder: Path, grant_id: str) -> Path:
    """Its being there revokes the grant; what is in it says by whom and why."""
    return folder / FOLDER / f"{grant_id}.revoked"


class GrantBook:
    """The grants in `folder` that bind one policy. Looked at again whenever the folder has changed."""

    def __init__(
        self,
        folder: Path,
        policy: SignerPolicy,
        note: Callable[[str, str], None],
        revoked: frozenset[str] = frozenset(),
        restored_s: float = 0.0,
    ) -> None:
        """`note` is told, once, of every grant taken, refused or revoked; `revoked` are those known from before.

        A journal that was put back at `restored_s` may not know what was drawn on a grant that held before.
        """
        self._dropped = Dropped(folder / FOLDER)
        self._policy = policy
        self._note = note
        self._revoked = set(revoked)
        self._restored_s = restored_s
        self._told: set[str] = set()
        self._grants: dict[str, Grant] = {}
        self._refused: dict[str, str] = {}

    def in_force(self, now_s: float) -> Mapping[str, Grant]:
        """Every grant that holds now, by its id."""
        self._look(now_s)
        return {name: grant for name, grant in self._grants.items() if grant.not_before_s <= now_s < grant.not_after_s}

    def refused(self, now_s: float) -> Mapping[str, str]:
        """Why what lies there as a grant is none for this signer, by the names of some of the files."""
        self._look(now_s)
        return self._refused

    def available(self, strategy: str, limit: str, now_s: float) -> Mapping[str, int]:
        """Wei by the id of each grant in force; what expires first comes first."""
        holding = self.in_force(now_s).values()
        fitting = [grant for grant in holding if (grant.strategy, grant.limit) == (strategy, limit)]
        return {
            grant.id: grant.amount_wei for grant in sorted(fitting, key=lambda grant: (grant.not_after_s, grant.id))
        }

    def _look(self, now_s: float) -> None:
        files = self._dropped.files(now_s)
        if files is None:
            return
        try:
            self._heed(files)
        except BaseException:
            self._dropped.look_again()
            raise

    def _heed(self, files: Sequence[Path]) -> None:
        for file in files:
            if file.suffix == ".revoked":
                self._revoke(name_of(file))
        self._refused = {}
        read = (self._taken(file) for file in files if file.suffix == ".json")
        self._grants = {grant.id: grant for grant in read if grant is not None}

    def _revoke(self, grant_id: str) -> None:
        if grant_id not in self._revoked:
            # Before it counts: were the file to go away again, the journal still knows.
            self._note("grant_revoked", grant_id)
            self._revoked.add(grant_id)

    def _taken(self, file: Path) -> Grant | None:
        try:
            signed = decode_grant(content_of(file))
            require_binding(signed, self._policy)
            if file.stem != signed.grant.id:
                raise InvalidGrant(f"the file is named otherwise than its grant, {signed.grant.id}")
            if signed.grant.not_before_s < self._restored_s:
                raise InvalidGrant("it may have been used up before the journal was put back from a copy; make it anew")
        except (InvalidGrant, OSError) as error:
            self._tell("grant_refused", name_of(file), str(error))
            if len(self._refused) < _REFUSED_TOLD:
                self._refused[name_of(file)] = str(error)[:_WHY_LENGTH]
            return None
        grant = signed.grant
        if grant.id in self._revoked:
            return None
        who = grant.strategy or "all strategies"
        self._tell("grant_taken", grant.id, f"{who}: {grant.amount_wei} wei of {grant.limit} until {grant.not_after_s}")
        return grant

    def _tell(self, what: str, name: str, detail: str) -> None:
        if f"{what} {name}" not in self._told:
            self._note(what, f"{name} {detail}")
            self._told.add(f"{what} {name}")
