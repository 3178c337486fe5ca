"""What the owner signs for a signer: whose signature counts, and what is refused, of grants and limits alike."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from bot.owner import deposit, deposit_change
from bot.signer.grants import Grant, InvalidGrant, SignedGrant, grant_file
from bot.signer.journal import Journal
from bot.signer.limits import InvalidChange, LimitChange, SignedChange, change_file
from bot.signer.owned import Dropped
from bot.signer.protocol import Signed
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from tests.bot.signer.making import ETHER, NOW_S, OTHER, answer, ask
from tests.bot.signer.owning import (
    OWNER,
    OWNER_SECRET,
    change,
    differences,
    granted,
    owned_by,
    signature,
    signed,
    status_of,
)

_OPERATOR_SECRET = bytes.fromhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
_OTHERS = "not signed by the owner"

NOT_OURS: dict[str, tuple[SignedGrant | SignedChange, str]] = {
    "a grant with somebody else's signature": (signed(granted(), bytes(31) + b"\x07"), _OTHERS),
    "a grant with the operator's own signature": (signed(granted(), _OPERATOR_SECRET), _OTHERS),
    "a grant for another operator": (signed(granted(operator=OTHER)), f"it is for {OTHER}"),
    "a grant on another chain": (signed(granted(chain_id=1)), "on chain 1"),
    "a grant for an unknown strategy": (signed(granted(strategy="sandwich")), "'sandwich' is not in the policy"),
    "a grant raised afterwards": (SignedGrant(granted(amount_wei=2 * ETHER), signed(granted()).signature), _OTHERS),
    "a grant without a signature": (SignedGrant(granted(), b""), "not 65 bytes"),
    "a grant with a signature of zeros": (SignedGrant(granted(), bytes(64) + b"\x1b"), "none"),
    "a change on another chain": (owned_by(change(1, chain_id=1)), "on chain 1"),
    "a change for another operator": (owned_by(change(1, operator=OTHER)), f"for {OTHER}"),
    "a change for an unknown strategy": (
        SignedChange(change(1, strategy="sandwich")),
        "'sandwich' is not in the policy",
    ),
    "a change with another's signature": (owned_by(change(9 * ETHER), b"\x07" * 32), _OTHERS),
    "a change raised afterwards": (
        SignedChange(change(9 * ETHER), owned_by(change(8 * ETHER)).signature),
        _OTHERS,
    ),
    "a change with no whole signature": (SignedChange(change(9 * ETHER), b"\x01"), "not 65 bytes"),
    "a grant on a chain below zero": (
        SignedGrant(granted(chain_id=-1), signed(granted()).signature),
        "nobody can sign",
    ),
    "a change of before time began": (
        SignedChange(change(9 * ETHER, made_at_s=-1), owned_by(change(9 * ETHER)).signature),
        "nobody can sign",
    ),
    "an old change": (owned_by(change(9 * ETHER, later_s=-86_401)), "within the last day"),
    "a change of tomorrow": (owned_by(change(9 * ETHER, later_s=301)), "within the last day"),
}


@pytest.mark.parametrize("name", NOT_OURS)
def test_what_is_not_ours_allows_and_changes_nothing_and_is_told_once(
    name: str, owned: Signer, switch: KillSwitch, journal: Journal
) -> None:
    put, message = NOT_OURS[name]
    if isinstance(put, SignedGrant):
        deposit(put, switch.folder)
    else:
        deposit_change(put, switch.folder)
    for _ in range(2):
        assert differences(owned) == {} and status_of(owned).grants == {}
    ((_, what, detail),) = journal.audit()
    assert what == ("grant_refused" if isinstance(put, SignedGrant) else "limit_refused") and message in detail


def test_a_policy_without_an_owner_takes_neither(signer: Signer, switch: KillSwitch) -> None:
    deposit(signed(granted()), switch.folder)
    deposit_change(owned_by(change(9 * ETHER)), switch.folder)
    assert differences(signer) == {} and status_of(signer).grants == {}


@pytest.mark.parametrize(
    ("made", "changes", "message"),
    [
        (granted(), {"limit": "min_profit"}, "cannot be granted"),
        (granted(), {"amount_wei": 0}, "out of range"),
        (granted(), {"amount_wei": 2**127}, "out of range"),
        (granted(), {"not_after_s": int(NOW_S)}, "no time at all"),
        (granted(), {"not_after_s": 2**40}, "no time at all"),
        (granted(), {"not_before_s": -1}, "no time at all"),
        (granted(), {"id": "0x12"}, "16 bytes"),
        (change(1), {"limit": "min_profit"}, "cannot be set"),
        (change(1), {"amount": -1}, "out of range"),
        (change(1), {"amount": 2**127}, "out of range"),
        (change(1), {"id": "0x12"}, "16 bytes"),
        (change(1), {"because": ""}, "by whom and why"),
        (change(1), {"by": "x" * 201}, "by whom and why"),
    ],
)
def test_what_makes_no_sense_cannot_be_made(
    made: Grant | LimitChange, changes: dict[str, object], message: str
) -> None:
    with pytest.raises((InvalidGrant, InvalidChange), match=message):
        dataclasses.replace(made, **changes)  # type: ignore[arg-type]


_GRANT, _CHANGE = granted(), change(ETHER)


@pytest.mark.parametrize(
    ("name", "digest", "members"),
    [
        (
            "Grant",
            _GRANT.digest(),
            {
                "operator": ("address", _GRANT.operator),
                "strategy": ("string", _GRANT.strategy),
                "limit": ("string", _GRANT.limit),
                "amountWei": ("uint256", _GRANT.amount_wei),
                "notBefore": ("uint256", _GRANT.not_before_s),
                "notAfter": ("uint256", _GRANT.not_after_s),
                "id": ("bytes16", bytes.fromhex(_GRANT.id[2:])),
            },
        ),
        (
            "Limit",
            _CHANGE.digest(),
            {
                "operator": ("address", _CHANGE.operator),
                "strategy": ("string", _CHANGE.strategy),
                "limit": ("string", _CHANGE.limit),
                "amount": ("uint256", _CHANGE.amount),
                "madeAt": ("uint256", _CHANGE.made_at_s),
                "id": ("bytes16", bytes.fromhex(_CHANGE.id[2:])),
            },
        ),
    ],
    ids=["a grant", "a change"],
)
def test_a_wallets_signature_of_the_typed_data_is_the_same(
    name: str, digest: bytes, members: dict[str, tuple[str, object]]
) -> None:
    """Source: EIP-712; the reference is eth-account's own encoder."""
    types = {name: [{"name": member, "type": kind} for member, (kind, _) in members.items()]}
    said = {member: value for member, (_, value) in members.items()}
    domain = {"name": "Isthmus", "version": "1", "chainId": 31337}
    by_wallet = Account.sign_message(encode_typed_data(domain, types, said), OWNER_SECRET)
    assert bytes(by_wallet.signature) == signature(digest)
    assert SignedGrant(_GRANT, signature(_GRANT.digest())).signer() == OWNER


def test_where_a_folder_should_be_a_file_holds_nothing_and_is_looked_at_again(tmp_path: Path) -> None:
    folder = tmp_path / "limits"
    folder.touch()
    dropped = Dropped(folder)
    assert dropped.files(0) == []
    assert dropped.files(0) == []
    folder.unlink()
    folder.mkdir()
    (folder / "change.json").touch()
    assert dropped.files(0) == [folder / "change.json"]


@pytest.mark.parametrize("place", [change_file, grant_file])
@pytest.mark.parametrize("what", ["a pipe", "a folder", "far too long"])
def test_what_is_no_file_that_a_person_drops_is_refused_and_not_waited_for(
    owned: Signer, switch: KillSwitch, journal: Journal, place: Callable[[Path, str], Path], what: str
) -> None:
    file = place(switch.folder, "0x" + "00" * 16)
    file.parent.mkdir()
    if what == "a pipe":
        os.mkfifo(file)
    elif what == "a folder":
        file.mkdir()
    else:
        file.write_bytes(bytes(2**17))
    assert differences(owned) == {} and status_of(owned).grants == {}
    assert isinstance(answer(owned, ask()), Signed)
    assert any(detail.startswith(f"{file.stem} ") and "at most" in detail for _, _, detail in journal.audit())
