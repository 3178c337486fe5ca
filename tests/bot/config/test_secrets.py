"""Secrets in configuration files are refused, and never repeated in the refusal (threat E6)."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from bot.config.errors import ConfigError
from bot.config.load import load
from bot.config.reading import read_document
from bot.config.values import Reference, UnreadableSecret, read_secret_file
from tests.bot.config.writing import RUN, written

HEX = hashlib.sha256(b"a throw-away test value").hexdigest()
MIXED = base64.b64encode(hashlib.sha512(b"a throw-away test value").digest()).decode().rstrip("=")
ALPHANUMERIC = "".join(letter for letter in MIXED if letter.isalnum())[:64]
UUID = f"{HEX[:8]}-{HEX[8:12]}-{HEX[12:16]}-{HEX[16:20]}-{HEX[20:32]}"
WORDS_12 = " ".join(["abandon"] * 11 + ["about"])
WORDS_24 = " ".join(["legal", "winner", "thank", "year", "wave", "sausage", "worth", "useful"] * 3)

LEAKS = [
    f'key = "{HEX}"',
    f'key = "0x{HEX}"',
    f'key = "{HEX.upper()}"',
    f'[signer]\nkeystore = "0x{HEX}"',
    f"# old key: 0x{HEX}",
    f'note = "my key is 0x{HEX}."',
    f'list = ["a", "{HEX}"]',
    f'words = "{WORDS_12}"',
    f'words = "{WORDS_24}"',
    f'words = "{WORDS_12.upper()}"',
    f'words = """\n{WORDS_12.replace(" ", chr(10))}\n"""',
    f"words = {WORDS_12.split()!r}",
    f"# {WORDS_24}",
    'pem = """\n-----BEGIN EC PRIVATE KEY-----\nMHc=\n-----END EC PRIVATE KEY-----\n"""',
    'pem = "-----BEGIN PRIVATE KEY-----"',
    f'extended = "xprv9s21ZrQH143K{ALPHANUMERIC}{ALPHANUMERIC[:36]}"'.replace("0", "1").replace("l", "m"),
    f'[[exchanges]]\napi_secret = "{ALPHANUMERIC}"',
    f'[[exchanges]]\napi_key = "{ALPHANUMERIC}"',
    f'[[exchanges]]\napiKey = "{ALPHANUMERIC[:20]}"',
    '[[exchanges]]\nsecret = "hunter2"',
    '[[exchanges]]\npassword = "hunter2"',
    '[signer]\npassphrase = "correct horse"',
    '[signer]\nprivate_key = "short"',
    '[signer]\nseed-phrase = "short"',
    f'[a]\nother = "{MIXED[:44]}"',
    f'[a]\nother = "{ALPHANUMERIC}"',
    f'[a]\nother = "{UUID}"',
    f'[a]\nurls = {{ private = "https://x.org/{HEX[:32]}" }}',
    f'[node]\nendpoints = ["wss://mainnet.example.org/v3/{HEX[:32]}"]',
    f'[node]\nendpoints = [{{ url = "wss://mainnet.example.org/v2/{ALPHANUMERIC[:32]}" }}]',
    f'[node]\nendpoints = ["https://example.org/?apikey={ALPHANUMERIC[:24]}"]',
    '[node]\nendpoints = ["https://user:hunter2@example.org"]',
    '[ledger]\nurl = "postgresql://user:hunter2@db/ledger"',
]


@pytest.mark.parametrize("text", LEAKS)
def test_a_secret_in_a_file_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "isthmus.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_document(path)
    answer = str(refused.value)
    assert "looks like" in answer
    for secret in (HEX[:16], HEX.upper()[:16], ALPHANUMERIC[:16], MIXED[:16], "hunter2", "abandon", "winner", "MHc"):
        assert secret not in answer


HARMLESS = [
    'api_key = "env:BINANCE_KEY"',
    'api_secret = "file:secrets/binance_secret_of_the_trading_account_2024"',
    'address = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"',
    'strategy = "strategies.a_rather_long_strategy_name_2024:TriangularArbitrage2024"',
    'endpoints = ["ws://127.0.0.1:8545"]',
    'url = "sqlite:////home/someone/isthmus/var/ledger-2024-01-05-with-a-long-name.sqlite3"',
    'public = "https://api.binance.com/api/v3/some/very-long-endpoint-name/of/the/exchange"',
    "# " + "This comment of many ordinary words explains how the second parameter should be chosen by you. " * 3,
    'tokens = ["WETH", "USDC", "USDT", "WBTC", "DAI", "LINK", "UNI", "AAVE", "MKR", "CRV", "LDO", "SNX", "COMP"]',
    'token = "WETH"',
]


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_values_are_not_taken_for_secrets(tmp_path: Path, text: str) -> None:
    path = tmp_path / "isthmus.toml"
    path.write_text(text)
    read_document(path)


@pytest.mark.parametrize("value", ["my-key", "env:", "env:9X", "file:", "vault:x", ""])
def test_an_api_key_must_be_a_reference(tmp_path: Path, value: str) -> None:
    keys = f'name = "binance"\napi_key = "{value}"\napi_secret = "env:S"'
    with pytest.raises(ConfigError, match=r"exchanges\[0\]\.api_key: .*'env:NAME' or 'file:PATH'"):
        load(written(tmp_path, RUN.replace('name = "binance"', keys)))


def test_references_are_read_from_where_they_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first line\nsecond line\n")
    secret.chmod(0o600)
    monkeypatch.setenv("ISTHMUS_TEST_KEY", "from the environment")
    keys = 'name = "binance"\napi_key = "env:ISTHMUS_TEST_KEY"\napi_secret = "file:secret"'
    exchange = load(written(tmp_path, RUN.replace('name = "binance"', keys))).config.exchanges[0]
    assert exchange.api_key is not None and exchange.api_key.read() == "from the environment"
    assert exchange.api_secret is not None and exchange.api_secret.read() == "first line"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    secret.chmod(mode)
    with pytest.raises(UnreadableSecret, match=f"chmod 600 {secret}"):
        read_secret_file(secret)


def test_absent_and_empty_secrets_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch(0o600)
    for reference in (
        Reference("file", str(empty)),
        Reference("file", str(tmp_path / "none")),
        Reference("env", "NO_SUCH"),
    ):
        with pytest.raises(UnreadableSecret):
            reference.read()
