"""Pools that are listed, not announced: Curve's by its registries, vaults and aTokens by somebody. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from chains.assets import ZERO_ADDRESS, Address, address
from chains.discovery.found import Asking, Found, NotGenuine
from chains.networks import Network
from chains.pools.pool import Call
from chains.pools.words import WORD, selector, unsigned, word

ADDRESS_PROVIDER = "curve_address_provider"
"""Under this name a network's file has Curve's address provider."""

NAMED = ("erc4626", "aave_v3")
"""What the protocols are called of vaults and aTokens that somebody names."""

WRAPPER = "wrapped_native"
"""What the protocol and the family are called of a network's wrapped coin."""

_GET_ADDRESS = selector("get_address(uint256)")
_POOL_COUNT, _POOL_LIST = selector("pool_count()"), selector("pool_list(uint256)")
_GET_COINS, _IS_META = selector("get_coins(address)"), selector("is_meta(address)")
_ASSET_TYPES, _LP_TOKEN = selector("get_pool_asset_types(address)"), selector("get_token(address)")
_ASSET, _UNDERLYING = selector("asset()"), selector("UNDERLYING_ASSET_ADDRESS()")

_STANDARD, _ORACLE, _REBASING, _VAULT_SHARE = range(4)
_MOST_POOLS = 100_000


@dataclass(frozen=True, slots=True)
class Registry:
    """A contract that lists pools of one generation, `kind`, by number."""

    kind: str
    address: Address

    @property
    def name(self) -> str:
        """What progress and refusals are kept under."""
        return f"curve_{self.kind}:{self.address}"


@dataclass(frozen=True, slots=True)
class Listed:
    """What a registry has listed from some number on: `count` in all, and why the others are left out."""

    count: int
    found: tuple[Found, ...]
    refused: Mapping[str, str] = field(default_factory=dict)


_KINDS: Mapping[int, str] = {12: "stable_ng", 6: "crypto_two", 7: "any"}
"""The address provider's ids of what can be read, and of the registry that lists everything."""


def registries_of(network: Network) -> Asking[tuple[Registry, ...]]:
    """Curve's registries on `network`, by its address provider; none where the network's file names none."""
    provider = network.contracts.get(ADDRESS_PROVIDER)
    if provider is None:
        return ()
    answers = yield tuple(Call(provider, _GET_ADDRESS + word(number)) for number in _KINDS)
    if not any(answers):
        raise NotGenuine(f"{provider} does not answer as Curve's address provider does")
    named = zip(_KINDS.values(), map(_account, answers), strict=True)
    return tuple(Registry(kind, at) for kind, at in named if at not in (None, ZERO_ADDRESS))


def listed(registry: Registry, start: int) -> Asking[Listed]:
    """Every pool of `registry` from number `start` on. Raises `NotGenuine` for a contract that is no registry."""
    (counted,) = yield (Call(registry.address, _POOL_COUNT),)
    if len(counted) != WORD or unsigned(counted) > _MOST_POOLS:
        raise NotGenuine(f"{registry.address} does not list pools as Curve's registries do")
    count = unsigned(counted)
    numbers = range(min(start, count), count)
    pools = yield tuple(Call(registry.address, _POOL_LIST + word(number)) for number in numbers)
    accounts = [at for at in map(_account, pools) if at is not None]
    questions = (_GET_COINS, _IS_META, _ASSET_TYPES, _LP_TOKEN)
    answers = yield tuple(Call(registry.address, asked + word(int(at, 16))) for at in accounts for asked in questions)
    found, refused = [], {}
    for place, at in enumerate(accounts):
        try:
            found.append(_described(registry.kind, at, answers[4 * place : 4 * place + 4]))
        except NotGenuine as error:
            refused[str(at)] = str(error)
    return Listed(count, tuple(found), refused)


def vault(at: Address) -> Asking[Found]:
    """An ERC-4626 vault as a pool of its asset and its shares, or an aToken as one of what it is lent for.

    Raises `NotGenuine`.
    """
    named = yield Call(at, _ASSET), Call(at, _UNDERLYING)
    for family, asset in zip(NAMED, map(_account, named), strict=True):
        if asset not in (None, ZERO_ADDRESS, at):
            return Found(family, family, at, (asset, at), 0, 0)
    raise NotGenuine(f"{at} is neither an ERC-4626 vault nor an aToken: it does not name its asset")


def wrapper(network: Network) -> Found:
    """The wrapped coin of `network`, as a pool of the coin and itself."""
    at = Address(network.wrapped.address)
    return Found(WRAPPER, WRAPPER, at, (ZERO_ADDRESS, at), 0, 0)


def _described(kind: str, at: Address, answers: Sequence[bytes]) -> Found:
    """One pool of a registry. Raises `NotGenuine` for those whose arithmetic is not known from where it is listed."""
    coins, meta, types, lp_token = answers
    if kind == "any":
        raise NotGenuine(f"pool {at} is of a generation that its registry does not tell; its arithmetic is not known")
    if meta and unsigned(meta):
        raise NotGenuine(f"pool {at} is a meta pool, whose base pool's generation is not known")
    tokens = _coins(coins, at)
    if kind == "crypto_two":
        share = _account(lp_token)
        details = {"rules": "two"} | ({"lp_token": str(share)} if share not in (None, ZERO_ADDRESS) else {})
        return Found("curve", "curve_crypto", at, tokens, 0, 0, details=details)
    kinds = _values(types, "uint8[]", at)
    if len(kinds) != len(tokens) or any(each not in (_STANDARD, _ORACLE, _VAULT_SHARE) for each in kinds):
        raise NotGenuine(f"pool {at} has tokens whose balances change by themselves")
    moving = any(each != _STANDARD for each in kinds)
    return Found("curve", "curve_stable", at, tokens, 0, 0, details={"rules": "factory"} | _rates(moving))


def _rates(moving: bool) -> dict[str, str]:
    return {"rates": "oracle"} if moving else {}


def _coins(answer: bytes, at: Address) -> tuple[Address, ...]:
    """A dynamic array, as NG's factory answers, or a fixed one that ends in zeros."""
    if len(answer) > WORD and unsigned(answer) == WORD:
        coins = tuple(address(coin) for coin in _values(answer, "address[]", at))
    else:
        words = (_account(answer[start : start + WORD]) for start in range(0, len(answer), WORD))
        coins = tuple(coin for coin in words if coin not in (None, ZERO_ADDRESS))
    if len(coins) < 2 or len(set(coins)) != len(coins):
        raise NotGenuine(f"pool {at} has {len(coins)} coins in its registry, not two or more different ones")
    return coins


def _values(answer: bytes, kind: str, at: Address) -> tuple[object, ...]:
    try:
        (values,) = abi_decode((kind,), answer)
    except (DecodingError, OverflowError) as error:
        raise NotGenuine(f"what the registry says of pool {at} cannot be read") from error
    return tuple(values)


def _account(answer: bytes) -> Address | None:
    if len(answer) != WORD or unsigned(answer) >> 160:
        return None
    return address(f"0x{unsigned(answer):040x}")
