"""ERC-4626 vaults against OpenZeppelin's, compiled from npm's source when the proof runs."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import subprocess
from collections.abc import Iterator

from bot.exactness import Case, answer
from bot.exactness.contracts import Chain, call_data, local_chain
from chains.assets import Token, address
from chains.pools.erc4626 import Erc4626Pool
from chains.pools.pool import PoolFacts
from chains.tools import ROOT, MissingTool, npm_package

OFFSETS = (0, 3, 12)
ROUNDS = 12
SEED = 4626

_PACKAGE = "openzeppelin-4.9.3"
_PREFIX = "@openzeppelin/contracts/"
_FILES = (
    "interfaces/IERC4626.sol",
    "token/ERC20/ERC20.sol",
    "token/ERC20/IERC20.sol",
    "token/ERC20/extensions/ERC4626.sol",
    "token/ERC20/extensions/IERC20Metadata.sol",
    "token/ERC20/extensions/IERC20Permit.sol",
    "token/ERC20/utils/SafeERC20.sol",
    "utils/Address.sol",
    "utils/Context.sol",
    "utils/math/Math.sol",
)
_SOURCE = f"""// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {{ERC20, IERC20}} from "{_PREFIX}token/ERC20/ERC20.sol";
import {{ERC4626}} from "{_PREFIX}token/ERC20/extensions/ERC4626.sol";

contract Vault is ERC4626 {{
    uint8 private immutable OFFSET;

    constructor(IERC20 asset_, uint8 offset) ERC20("Vault", "V") ERC4626(asset_) {{
        OFFSET = offset;
    }}

    function _decimalsOffset() internal view override returns (uint8) {{
        return OFFSET;
    }}
}}
"""


def on_anvil() -> Iterator[Case]:
    """Vaults of three offsets, gifts among the deposits: all four calls, and the state after each."""
    return iter(asyncio.run(_on_anvil()))


def vault_code() -> bytes:
    """The creation code of a vault that adds nothing to OpenZeppelin's but its offset. Raises `MissingTool`."""
    if shutil.which("node") is None:
        raise MissingTool("node is not installed; it is needed to compile OpenZeppelin's vault")
    folder = npm_package(_PACKAGE)
    npm_package("solc")
    sources = {_PREFIX + name: {"content": (folder / name).read_text()} for name in _FILES}
    question = {
        "language": "Solidity",
        "sources": {**sources, "Vault.sol": {"content": _SOURCE}},
        "settings": {"outputSelection": {"Vault.sol": {"Vault": ["evm.bytecode.object"]}}},
    }
    compiler = ROOT / "contracts" / "tools" / "solc"
    done = subprocess.run(
        [str(compiler), "--standard-json"], input=json.dumps(question), capture_output=True, text=True, timeout=120
    )
    try:
        code = json.loads(done.stdout)["contracts"]["Vault.sol"]["Vault"]["evm"]["bytecode"]["object"]
        return bytes.fromhex(code)
    except (ValueError, KeyError):
        raise MissingTool(f"OpenZeppelin's vault did not compile: {(done.stderr or done.stdout)[:200]}") from None


async def _on_anvil() -> list[Case]:
    cases: list[Case] = []
    code = vault_code()
    async with local_chain() as chain:
        for offset in OFFSETS:
            asset = await chain.token("A")
            at = await chain.create(code, ["address", "uint8"], [asset.address, offset])
            await chain.send(asset.address, "approve(address,uint256)", at, 2**256 - 1)
            share = Token(asset.place, at, "V", 18 + offset)
            cases += await _held_against(chain, (asset, share), random.Random(SEED + offset), offset)  # noqa: S311
    return cases


async def _held_against(chain: Chain, tokens: tuple[Token, Token], rng: random.Random, offset: int) -> list[Case]:
    asset, share = tokens
    at = address(share.address)
    cases: list[Case] = []
    for number in range(ROUNDS):
        pool = await chain.load(PoolFacts("erc4626", at, tokens, 0))
        assert isinstance(pool, Erc4626Pool)
        name = f"offset {offset}, {pool.shares} shares of {pool.assets}"
        if number:
            cases += await _asked(chain, pool, rng, name)
        before, amount = pool, int(10 ** rng.uniform(1, 24))
        if number % 3 == 2 and pool.shares > 1:
            amount = rng.randint(1, pool.shares)
            logs = await chain.send(at, "redeem(uint256,address,address)", amount, chain.account, chain.account)
            predicted = before.swapped(share, amount)
        else:
            logs = await chain.send(at, "deposit(uint256,address)", amount, chain.account)
            predicted = before.swapped(asset, amount)
        for log in logs:
            pool = pool.applied(log) if log.address == at else pool
        reached = await chain.load(PoolFacts("erc4626", at, tokens, 0))
        assert isinstance(reached, Erc4626Pool)
        real = reached.assets, reached.shares
        cases.append(Case(f"{name}, the state after {amount}", real, (predicted.assets, predicted.shares)))
        cases.append(Case(f"{name}, the events of {amount}", real, (pool.assets, pool.shares)))
        if number % 2:
            await chain.send(asset.address, "transfer(address,uint256)", at, int(10 ** rng.uniform(1, 22)))
    return cases


async def _asked(chain: Chain, pool: Erc4626Pool, rng: random.Random, name: str) -> list[Case]:
    asset, share = pool.tokens
    me = chain.account
    cases = []
    for size in (1, 2**255, 2**256 - 1, pool.shares, pool.shares + 1, int(10 ** rng.uniform(0, 30))):
        questions = (
            ("deposit(uint256,address)", (size, me), pool.quote, asset),
            ("mint(uint256,address)", (size, me), pool.quote_exact_out, share),
            ("redeem(uint256,address,address)", (size, me, me), pool.quote, share),
            ("withdraw(uint256,address,address)", (size, me, me), pool.quote_exact_out, asset),
        )
        for signature, arguments, ask, token in questions:
            raw = await chain.ask(pool.address, call_data(signature, *arguments))
            expected = None if raw is None else int.from_bytes(raw, "big")
            got = answer(ask, token, size)
            if isinstance(got, int) and expected is None and await _too_poor(chain, asset, signature, size, got):
                continue
            cases.append(Case(f"{name}, {signature.partition('(')[0]} {size}", expected, got))
    return cases


async def _too_poor(chain: Chain, asset: Token, signature: str, size: int, got: int) -> bool:
    """Whether the account, not the vault, is why a deposit or a mint reverts."""
    if not signature.startswith(("deposit", "mint")):
        return False
    (held,) = await chain.read(asset.address, "balanceOf(address)", ["uint256"], chain.account)
    return bool((size if signature.startswith("deposit") else got) > held)
