from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.signer.client import SignerClient
from bot.signer.journal import Journal
from bot.signer.key import SigningKey
from bot.signer.keystore import seal
from bot.signer.policy import SignerPolicy
from bot.signer.service import Signer
from bot.signer.switch import KillSwitch
from tests.bot.signer.making import POLICY, SECRET, HandClock
from tests.bot.signer.owning import OWNED
from tests.bot.signer.processes import PASSPHRASE, start


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "signer.db") as journal:
        yield journal


@pytest.fixture
def signer(journal: Journal, clock: HandClock, switch: KillSwitch) -> Signer:
    return new_signer(journal, clock, switch)


@pytest.fixture
def owned(journal: Journal, clock: HandClock, switch: KillSwitch) -> Signer:
    """A signer that knows an owner."""
    return new_signer(journal, clock, switch, OWNED)


@pytest.fixture
def switch(tmp_path: Path, clock: HandClock) -> KillSwitch:
    return new_switch(tmp_path / "memory" / "control", clock)


@pytest.fixture(scope="session")
def keystore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "operator.json"
    path.write_bytes(seal(SECRET, PASSPHRASE.encode(), light=True))
    return path


@pytest.fixture
async def client(keystore: Path, tmp_path: Path) -> AsyncIterator[SignerClient]:
    async with await start(keystore, tmp_path / "run") as client:
        yield client


def new_switch(folder: Path, clock: HandClock) -> KillSwitch:
    switch = KillSwitch(folder)
    switch.establish(clock.wall_s())
    return switch


def new_signer(journal: Journal, clock: HandClock, switch: KillSwitch, policy: SignerPolicy = POLICY) -> Signer:
    return Signer(
        policy=policy,
        policy_digest="",
        key=SigningKey(SECRET),
        journal=journal,
        switch=switch,
        clock=clock,
        protections={},
    )
