"""Reads at a block hash, also from endpoints that only know numbers: there the hash is looked at before and after."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from chains.anvil import RpcError
from chains.node.answers import Answer, Request
from chains.node.endpoint import Endpoint, by_hash
from chains.node.errors import BadAnswer, Busy, QuotaSpent, Unreachable
from chains.node.refusals import Meaning, meaning

_NOT_FOUND = -32001


async def ask_pinned(endpoint: Endpoint, method: str, params: Sequence[Any], as_arrays: bool = False) -> Any:
    """`Endpoint.ask`, by number where the endpoint does not take a block's hash. Raises as it does."""
    place = next((at for at, param in enumerate(params) if isinstance(param, dict) and "blockHash" in param), None)
    if place is None:
        return await endpoint.ask(method, *params, as_arrays=as_arrays)
    if endpoint.hash_parameters:
        try:
            return await endpoint.ask(method, *params, as_arrays=as_arrays)
        except RpcError as error:
            if meaning(error, method, True) is not Meaning.NO_HASH_PARAMETER:
                raise
            endpoint.hash_parameters = False
    return await _by_number(endpoint, Request(method, params, as_arrays), place)


async def ask_all_pinned(endpoint: Endpoint, requests: Sequence[Request]) -> list[Answer]:
    """Several calls, in one message where the endpoint takes that; a refusal is an answer. Raises `NodeError`."""
    numbered = not endpoint.hash_parameters and any(by_hash(request.params) for request in requests)
    if len(requests) == 1 or numbered or not endpoint.batches.next():
        return await _one_by_one(endpoint, requests)
    try:
        found = await endpoint.batch(requests)
    except BadAnswer:
        found = await _one_by_one(endpoint, requests)
        endpoint.batches.refused()
        return found
    except (Busy, QuotaSpent):
        raise
    except Unreachable:
        endpoint.batches.lost()
        raise
    endpoint.batches.answered()
    if all(map(_not_as_one, found, requests)):
        # Who takes no batches may refuse each of its calls as what it is itself: unknown, or malformed.
        found = await _one_by_one(endpoint, requests)
        if not all(isinstance(answer, RpcError) for answer in found):
            endpoint.batches.refused()
        return found
    for answer, request in zip(found, requests, strict=True):
        if isinstance(answer, RpcError):
            endpoint.refuses(answer, request.method, request.params)
    return found


def _not_as_one(answer: Answer, request: Request) -> bool:
    return isinstance(answer, RpcError) and meaning(answer, request.method, by_hash(request.params)) in (
        Meaning.FINAL,
        Meaning.NO_METHOD,
        Meaning.NO_BATCH,
    )


async def _one_by_one(endpoint: Endpoint, requests: Sequence[Request]) -> list[Answer]:
    return await asyncio.gather(*(_answer(endpoint, request) for request in requests))


async def _answer(endpoint: Endpoint, request: Request) -> Answer:
    try:
        return await ask_pinned(endpoint, request.method, request.params)
    except RpcError as error:
        return error


async def _by_number(endpoint: Endpoint, request: Request, place: int) -> Any:
    method, params = request.method, request.params
    block_hash = params[place]["blockHash"]
    document = await endpoint.ask("eth_getBlockByHash", block_hash, False)
    if document is None:
        raise _not_found(method, block_hash)
    number = endpoint.read_header(document).head.number
    await _require_canonical(endpoint, method, number, block_hash)
    numbered = (*params[:place], _numbered(params[place], number), *params[place + 1 :])
    result = await endpoint.ask(method, *numbered, as_arrays=request.as_arrays)
    await _require_canonical(endpoint, method, number, block_hash)
    return result


def _numbered(parameter: dict[str, Any], number: int) -> Any:
    """The parameter with the height in place of the hash: a block, or a filter of logs."""
    rest = {name: value for name, value in parameter.items() if name not in ("blockHash", "requireCanonical")}
    return {**rest, "fromBlock": hex(number), "toBlock": hex(number)} if rest else hex(number)


async def _require_canonical(endpoint: Endpoint, method: str, number: int, block_hash: str) -> None:
    found = await endpoint.header_by_number(number)
    if found is None or found.head.hash != block_hash:
        raise _not_found(method, block_hash)


def _not_found(method: str, block_hash: str) -> RpcError:
    return RpcError(method, _NOT_FOUND, f"block not found: {block_hash} is not canonical there")
