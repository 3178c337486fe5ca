"""Functions that give away power over what is held: never signed, whatever a policy lists, in no argument either."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from eth_utils.crypto import keccak

SELECTOR_BYTES = 4
_WORD_BYTES = 32

_SIGNATURES = (
    # ERC-20, ERC-721, ERC-777, ERC-1155 approvals
    "approve(address,uint256)",
    "increaseAllowance(address,uint256)",
    "decreaseAllowance(address,uint256)",
    "increaseApproval(address,uint256)",
    "decreaseApproval(address,uint256)",
    "approveAndCall(address,uint256)",
    "approveAndCall(address,uint256,bytes)",
    "setApprovalForAll(address,bool)",
    "authorizeOperator(address)",
    # moving what others hold, or all that is held
    "transfer(address,uint256)",
    "transferFrom(address,address,uint256)",
    "safeTransferFrom(address,address,uint256)",
    "safeTransferFrom(address,address,uint256,bytes)",
    "safeTransferFrom(address,address,uint256,uint256,bytes)",
    "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
    "transferAndCall(address,uint256)",
    "transferAndCall(address,uint256,bytes)",
    "sweep(address)",
    "sweep(address,uint256)",
    # permits, EIP-2612 and its kin
    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
    "permit(address,address,uint256,uint256,bytes)",
    "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)",
    "permit(address,uint256,uint256,bytes)",
    "permitForAll(address,address,bool,uint256,bytes)",
    "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)",
    "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)",
    # Permit2
    "approve(address,address,uint160,uint48)",
    "permit(address,((address,uint160,uint48,uint48),address,uint256),bytes)",
    "permit(address,((address,uint160,uint48,uint48)[],address,uint256),bytes)",
    "transferFrom(address,address,uint160,address)",
    "permitTransferFrom(((address,uint256),uint256,uint256),(address,uint256),address,bytes)",
    "permitWitnessTransferFrom(((address,uint256),uint256,uint256),(address,uint256),address,bytes32,string,bytes)",
    # lending: borrowing on somebody's account
    "approveDelegation(address,uint256)",
    "delegationWithSig(address,address,uint256,uint256,uint8,bytes32,bytes32)",
    "setAuthorization(address,bool)",
    "allow(address,bool)",
    # ownership, roles, upgrades
    "transferOwnership(address)",
    "renounceOwnership()",
    "acceptOwnership()",
    "setOwner(address)",
    "changeOwner(address)",
    "grantRole(bytes32,address)",
    "revokeRole(bytes32,address)",
    "renounceRole(bytes32,address)",
    "changeAdmin(address)",
    "upgradeTo(address)",
    "upgradeToAndCall(address,bytes)",
    "setImplementation(address)",
    "initialize(address)",
    "addOwnerWithThreshold(address,uint256)",
    "swapOwner(address,address,address)",
    "enableModule(address)",
    "setGuard(address)",
    "setFallbackHandler(address)",
    "setDelegate(address)",
    "delegate(address)",
    # whatever the caller pleases
    "execute(address,uint256,bytes)",
    "execute(bytes32,bytes)",
    "executeBatch(address[],uint256[],bytes[])",
    "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
    "execTransactionFromModule(address,uint256,bytes,uint8)",
    "multicall(bytes[])",
    "aggregate((address,bytes)[])",
    "aggregate3((address,bool,bytes)[])",
    "proxy(address,bytes)",
)

FORBIDDEN = MappingProxyType({"0x" + keccak(text=text)[:SELECTOR_BYTES].hex(): text for text in _SIGNATURES})
"""Signature by selector (0x and eight hex digits)."""


def forbidden_in(data: bytes) -> str | None:
    """The first such function in call data: as its own selector, or as the beginning of an argument's word.

    Nested call data begins at a word; a number or an address begins with zeros.
    """
    return next(filter(None, map(FORBIDDEN.get, _selectors(data))), None)


def _selectors(data: bytes) -> Iterator[str]:
    for start in (0, *range(SELECTOR_BYTES, len(data), _WORD_BYTES)):
        yield "0x" + data[start : start + SELECTOR_BYTES].hex()
