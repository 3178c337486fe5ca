"""Whether a pool is what its creation says: it is asked for its factory and tokens, and for what the event left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from chains.assets import Address, Token, address
from chains.discovery.found import Asking, Found, NotGenuine, Origin
from chains.pools.pool import Call, MalformedState
from chains.pools.uniswap_v4_key import PoolKey
from chains.pools.words import WORD, selector, unsigned, word

_FACTORY, _TOKEN0, _TOKEN1 = selector("factory()"), selector("token0()"), selector("token1()")
_FEE = selector("fee()")
_WEIGHTS, _AMPLIFICATION = selector("getNormalizedWeights()"), selector("getAmplificationParameter()")
_GRADUAL_WEIGHTS = selector("getGradualWeightUpdateParams()")
_POOL_ID, _VAULT = selector("getPoolId()"), selector("getVault()")
_TOKENS_OF_ID, _TOKENS_OF_POOL = selector("getPoolTokens(bytes32)"), selector("getPoolTokens(address)")


def genuine(found: Found, origin: Origin) -> Asking[Found]:
    """The pool with all that its loading needs. Raises `NotGenuine`, which names what does not fit."""
    if origin.layout == "uniswap_v4":
        return _keyed(found)
    if origin.layout == "balancer_v2":
        return _of_v2_vault(found, origin)
    if origin.layout == "balancer_v3":
        return _of_v3_vault(found, origin)
    return _of_factory(found, origin)


def _of_factory(found: Found, origin: Origin) -> Asking[Found]:
    at = found.address
    says_fee = origin.layout == "uniswap_v3"
    answers = yield tuple(
        Call(at, question) for question in (_FACTORY, _TOKEN0, _TOKEN1, *([_FEE] if says_fee else []))
    )
    if not any(answers):
        raise NotGenuine(f"there is no pool at {at}, where {origin.name} says it made one")
    factory, *tokens = (_address(answer) for answer in answers[:3])
    if factory != origin.address:
        raise NotGenuine(f"pool {at} says its factory is {factory}, not {origin.address}, which says it made it")
    if tuple(tokens) != found.tokens:
        raise NotGenuine(f"pool {at} trades {tokens[0]} and {tokens[1]}, not the tokens it was made for")
    if says_fee and (len(answers[3]) != WORD or unsigned(answers[3]) != found.fee_ppm):
        raise NotGenuine(f"pool {at} has another fee than the {found.fee_ppm} ppm it was made with")
    return found


def _keyed(found: Found) -> Asking[Found]:
    """A V4 pool is its key: the manager's event is enough, if the key's hash is the id."""
    yield ()
    first, second = (Token("", token, "", 0) for token in found.tokens)
    hooks = Address(str(found.details["hooks"]))
    try:
        key = PoolKey((first, second), found.fee_ppm, int(found.details["tick_spacing"]), hooks)
    except MalformedState as error:
        raise NotGenuine(f"pool {found.venue}: {error}") from error
    if key.pool_id != found.pool_id:
        raise NotGenuine(f"pool {found.venue} has a key whose id is 0x{key.pool_id.hex()}")
    if key.swap_flags:
        raise NotGenuine(f"the hook contract {found.details['hooks']} of pool {found.venue} may change its swaps")
    return found


def _of_v2_vault(found: Found, origin: Origin) -> Asking[Found]:
    at, pool_id = found.address, bytes.fromhex(str(found.details["pool_id"])[2:])
    own_id, vault, weights, amplification, gradual, listed = yield (
        *(Call(at, question) for question in (_POOL_ID, _VAULT, _WEIGHTS, _AMPLIFICATION, _GRADUAL_WEIGHTS)),
        Call(origin.address, _TOKENS_OF_ID + pool_id),
    )
    if own_id != pool_id or _address(vault) != origin.address:
        raise NotGenuine(f"pool {at} does not know the id 0x{pool_id.hex()} or the vault {origin.address}")
    if gradual:
        raise NotGenuine(f"the weights of pool {at} move by themselves")
    tokens = _accounts(listed, ("address[]", "uint256[]", "uint256"), at)
    family = _balancer_family("balancer_v2", at, weights, amplification)
    return replace(found, family=family, tokens=tokens, details={})


def _of_v3_vault(found: Found, origin: Origin) -> Asking[Found]:
    at = found.address
    vault, weights, amplification, listed = yield (
        *(Call(at, question) for question in (_VAULT, _WEIGHTS, _AMPLIFICATION)),
        Call(origin.address, _TOKENS_OF_POOL + word(int(at, 16))),
    )
    if _address(vault) != origin.address:
        raise NotGenuine(f"pool {at} does not know the vault {origin.address}")
    tokens = _accounts(listed, ("address[]",), at)
    return replace(found, family=_balancer_family("balancer_v3", at, weights, amplification), tokens=tokens)


def _balancer_family(vault: str, at: Address, weights: bytes, amplification: bytes) -> str:
    if bool(weights) == bool(amplification):
        raise NotGenuine(f"pool {at} is neither a weighted nor a stable pool")
    return f"{vault}_weighted" if weights else f"{vault}_stable"


def _accounts(answer: bytes, types: Sequence[str], at: Address) -> tuple[Address, ...]:
    """The addresses in the first of an answer's values. Raises `NotGenuine`."""
    try:
        accounts = tuple(address(account) for account in abi_decode(types, answer)[0])
    except (DecodingError, OverflowError):
        accounts = ()
    if len(accounts) < 2 or len(set(accounts)) != len(accounts):
        raise NotGenuine(f"pool {at} has {len(accounts)} tokens in its vault, not two or more different ones")
    return accounts


def _address(answer: bytes) -> Address | None:
    if len(answer) != WORD or unsigned(answer) >> 160:
        return None
    return address(f"0x{unsigned(answer):040x}")
