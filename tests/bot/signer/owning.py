"""An owner, what it signs for a signer, and what that signer then answers: for grants and for changed limits alike."""

from __future__ import annotations

import dataclasses

from coincurve import PrivateKey

from bot.owner import new_change, new_grant
from bot.reasons import Reason
from bot.signer.grants import Grant, SignedGrant
from bot.signer.key import SigningKey
from bot.signer.limits import LimitChange, SignedChange
from bot.signer.policy import SignerPolicy
from bot.signer.protocol import Denial, Signed, Status, StatusRequest
from bot.signer.service import Signer
from tests.bot.signer.making import CYCLES, ETHER, NOW_S, OPERATOR, POLICY, answer, ask

OWNER_SECRET = bytes(range(1, 33))
OWNER = SigningKey(OWNER_SECRET).address
OWNED: SignerPolicy = dataclasses.replace(POLICY, owner=OWNER)
WHO, WHY = "anna", "a bad morning"


def granted(**changes: object) -> Grant:
    good = new_grant(
        chain_id=31337,
        operator=OPERATOR,
        strategy=CYCLES,
        limit="hour_loss",
        amount_wei=ETHER,
        not_before_s=int(NOW_S),
        lasts_s=3600,
    )
    return dataclasses.replace(good, **changes)  # type: ignore[arg-type]


def change(amount: int, later_s: int = 0, **changes: object) -> LimitChange:
    made = new_change(
        chain_id=31337,
        operator=OPERATOR,
        strategy=CYCLES,
        limit="hour_loss",
        amount=amount,
        made_at_s=int(NOW_S) + later_s,
        by=WHO,
        because=WHY,
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def signature(digest: bytes, secret: bytes = OWNER_SECRET) -> bytes:
    """As wallets write it: r, s and v."""
    compact = PrivateKey(secret).sign_recoverable(digest, hasher=None)
    return compact[:64] + bytes((compact[64] + 27,))


def signed(grant: Grant, secret: bytes = OWNER_SECRET) -> SignedGrant:
    return SignedGrant(grant, signature(grant.digest(), secret))


def owned_by(made: LimitChange, secret: bytes = OWNER_SECRET) -> SignedChange:
    return SignedChange(made, signature(made.digest(), secret))


def fill_the_hour(signer: Signer) -> None:
    for number in range(2):
        assert isinstance(ask_for(signer, f"full-{number}", 100 + number), Signed)


def ask_for(signer: Signer, intent_id: str, nonce: int, wei: int = ETHER, at_s: float = NOW_S) -> object:
    return answer(signer, ask(intent_id=intent_id, nonce=nonce, worst_case_wei=wei, verdict={"made_at_s": at_s}))


def refused(response: object) -> Reason:
    assert isinstance(response, Denial), response
    return response.reason


def status_of(signer: Signer) -> Status:
    status = answer(signer, StatusRequest())
    assert isinstance(status, Status)
    return status


def differences(signer: Signer) -> object:
    return status_of(signer).limits
