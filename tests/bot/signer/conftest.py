from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.signer.journal import Journal
from bot.signer.key import SigningKey
from bot.signer.policy import SignerPolicy
from bot.signer.service import Signer
from tests.bot.signer.making import POLICY, SECRET, HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "signer.db") as journal:
        yield journal


@pytest.fixture
def signer(journal: Journal, clock: HandClock) -> Signer:
    return new_signer(journal, clock)


def new_signer(journal: Journal, clock: HandClock, policy: SignerPolicy = POLICY) -> Signer:
    return Signer(policy=policy, policy_digest="", key=SigningKey(SECRET), journal=journal, clock=clock, protections={})
