"""Where the twin's tokens keep their words in storage, and how a token's text becomes one."""

from __future__ import annotations

from dataclasses import dataclass

from eth_utils.crypto import keccak

from chains.assets import Address

WETH9 = Address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
MULTICALL3 = Address("0xcA11bde05977b3631167028862bE2a173976CA11")

_MAX_TEXT_BYTES = 31


@dataclass(frozen=True, slots=True)
class TokenLayout:
    """Storage slots of an ERC-20. `total_supply` is None where the supply is the contract's own ether (WETH9)."""

    symbol: int
    name: int
    decimals: int
    total_supply: int | None
    balances: int
    allowances: int

    def balance_slot(self, account: Address) -> str:
        return _entry(_word_of_address(account), _word(self.balances)).hex()

    def allowance_slot(self, owner: Address, spender: Address) -> str:
        of_owner = _entry(_word_of_address(owner), _word(self.allowances))
        return _entry(_word_of_address(spender), of_owner).hex()


TWIN_TOKEN = TokenLayout(symbol=0, name=1, decimals=2, total_supply=3, balances=4, allowances=5)
WETH9_LAYOUT = TokenLayout(symbol=1, name=0, decimals=2, total_supply=None, balances=3, allowances=4)


def layout_of(token: Address) -> TokenLayout:
    return WETH9_LAYOUT if token == WETH9 else TWIN_TOKEN


def slot(number_or_hash: int | str) -> str:
    """A storage slot as the node wants it: 0x and 64 digits."""
    if isinstance(number_or_hash, str):
        return "0x" + number_or_hash
    return f"0x{number_or_hash:064x}"


def word(value: int) -> str:
    """A 32-byte word as the node wants it."""
    return f"0x{value:064x}"


def short_text_word(text: str) -> str:
    """Solidity's storage word of a string of at most 31 bytes. Raises `ValueError` when longer."""
    raw = text.encode()
    if len(raw) > _MAX_TEXT_BYTES:
        raise ValueError(f"{text!r} is longer than {_MAX_TEXT_BYTES} bytes")
    return "0x" + raw.ljust(_MAX_TEXT_BYTES, b"\0").hex() + f"{2 * len(raw):02x}"


def safe_symbol(text: str) -> str:
    """A token's symbol, which a stranger chose, as at most 31 bytes of printable text; `?` if nothing is left."""
    printable = "".join(character for character in text if character.isprintable()).strip()
    return printable.encode()[:_MAX_TEXT_BYTES].decode(errors="ignore") or "?"


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _word_of_address(account: Address) -> bytes:
    return bytes.fromhex(account[2:]).rjust(32, b"\0")


def _entry(key: bytes, base: bytes) -> bytes:
    return bytes(keccak(key + base))
