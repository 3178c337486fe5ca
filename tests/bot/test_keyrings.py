"""The system's keyring keeps a passphrase, unless it would keep it where others can read it."""

from __future__ import annotations

from collections.abc import Iterator

import keyring
import keyring.backends.fail
import keyring.backends.null
import pytest
from keyring.backend import KeyringBackend

from bot.keyrings import forget, remember, remembered
from bot.signer.keystore import KeystoreError


class Guarded(KeyringBackend):
    """Stands in for the desktop's own: this machine has none."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class PlaintextKeyring(Guarded):
    """As `keyrings.alt` has it: a file that anybody can read."""


@pytest.fixture(autouse=True)
def backend() -> Iterator[Guarded]:
    before, guarded = keyring.get_keyring(), Guarded()
    keyring.set_keyring(guarded)
    yield guarded
    keyring.set_keyring(before)


def test_what_is_remembered_is_given_back_until_it_is_forgotten(backend: Guarded) -> None:
    remember("operator", "open sesame")
    assert backend.kept == {("isthmus", "operator"): "open sesame"}
    assert remembered("operator") == "open sesame"
    forget("operator")
    with pytest.raises(KeystoreError, match="nothing under 'operator'"):
        remembered("operator")


@pytest.mark.parametrize(
    "unguarded",
    [keyring.backends.null.Keyring, keyring.backends.fail.Keyring, PlaintextKeyring],
    ids=["null", "fail", "plaintext"],
)
def test_a_keyring_that_guards_nothing_is_refused(unguarded: type[KeyringBackend]) -> None:
    keyring.set_keyring(unguarded())
    for act in (lambda: remember("operator", "open sesame"), lambda: remembered("operator")):
        with pytest.raises(KeystoreError, match="guards nothing"):
            act()
