"""The protocols' factories, routers and lenses, deployed at their mainnet addresses by their mainnet deployers."""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import encode
from eth_abi.grammar import parse
from eth_utils.abi import function_signature_to_4byte_selector

from chains.anvil import Anvil
from chains.assets import Address
from chains.twin.artefacts import creation_code
from chains.twin.errors import WrongAddress
from chains.twin.layout import WETH9

UNISWAP_V2_FACTORY = Address("0x5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f")
UNISWAP_V2_ROUTER = Address("0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D")
SUSHI_V2_FACTORY = Address("0xC0AEe478e3658e2610c5F7A4A2E1777cE9e4f2Ac")
SUSHI_V2_ROUTER = Address("0xd9e1cE17f2641f24aE83637ab66a2cca9C378B9F")
UNISWAP_V3_FACTORY = Address("0x1F98431c8aD98523631AE4a59f267346ea31F984")
UNISWAP_V3_ROUTER = Address("0xE592427A0AEce92De3Edee1F18E0157C05861564")
TICK_LENS = Address("0xbfd8137f7d1516D3ea5cA83523914859ec47F573")
QUOTER = Address("0xb27308f9F90D607463bb33eA1BeBb41C27CE5AB6")
QUOTER_V2 = Address("0x61fFE014bA17989E743c5F6cB21bF9697530B21e")
POSITION_MANAGER = Address("0xC36442b4a4522E871399CD717aBDD847Ab11FE88")
SWAP_ROUTER_02 = Address("0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45")
POSITION_DESCRIPTOR = Address("0x91ae842A5Ffd8d12023116943e72A606179294f3")
"""Mainnet's address; nothing lives there on the twin, so positions have no picture."""

UNISWAP_V2_DEPLOYER = Address("0x9C33eaCc2F50E39940D3AfaF2c7B8246B681A374")
SUSHI_DEPLOYER = Address("0xF942Dba4159CB61F8AD88ca4A83f5204e8F4A6bd")
UNISWAP_V3_DEPLOYER = Address("0x6C9FC64A53c1b71FB3f9Af64d1ae3A4931A5f4E9")

GAS_PRICE_WEI = 10**12
"""What every transaction of the build offers; above any base fee the build can reach."""

_DEPLOYMENT_GAS = 10_000_000


@dataclass(frozen=True, slots=True)
class Deployment:
    """An npm artefact with its constructor's arguments; sent by `deployer` at `nonce` it lands at `address`."""

    address: Address
    deployer: Address
    nonce: int
    artefact: str
    arguments: tuple[Address, ...] = ()

    def code(self) -> bytes:
        """Creation code and arguments. Raises `MissingTool`."""
        return creation_code(self.artefact) + encode(["address"] * len(self.arguments), self.arguments)


def _v2(address: Address, nonce: int, artefact: str, *arguments: Address) -> Deployment:
    return Deployment(address, UNISWAP_V2_DEPLOYER, nonce, f"@uniswap/{artefact}.json", arguments)


def _sushi(address: Address, nonce: int, artefact: str, *arguments: Address) -> Deployment:
    return Deployment(address, SUSHI_DEPLOYER, nonce, f"@sushiswap/core/deployments/mainnet/{artefact}.json", arguments)


def _v3(address: Address, nonce: int, package: str, contract: str, *arguments: Address) -> Deployment:
    name = contract.rsplit("/", 1)[-1]
    artefact = f"@uniswap/{package}/artifacts/contracts/{contract}.sol/{name}.json"
    return Deployment(address, UNISWAP_V3_DEPLOYER, nonce, artefact, arguments)


_IN_V3 = (UNISWAP_V3_FACTORY, WETH9)

DEPLOYMENTS: tuple[Deployment, ...] = (
    _v2(UNISWAP_V2_FACTORY, 0, "v2-core/build/UniswapV2Factory", UNISWAP_V2_DEPLOYER),
    _v2(UNISWAP_V2_ROUTER, 3, "v2-periphery/build/UniswapV2Router02", UNISWAP_V2_FACTORY, WETH9),
    _sushi(SUSHI_V2_FACTORY, 58, "UniswapV2Factory", SUSHI_DEPLOYER),
    _sushi(SUSHI_V2_ROUTER, 59, "UniswapV2Router", SUSHI_V2_FACTORY, WETH9),
    _v3(UNISWAP_V3_FACTORY, 0, "v3-core", "UniswapV3Factory"),
    _v3(TICK_LENS, 2, "v3-periphery", "lens/TickLens"),
    _v3(QUOTER, 3, "v3-periphery", "lens/Quoter", *_IN_V3),
    _v3(UNISWAP_V3_ROUTER, 4, "v3-periphery", "SwapRouter", *_IN_V3),
    _v3(POSITION_MANAGER, 8, "v3-periphery", "NonfungiblePositionManager", *_IN_V3, POSITION_DESCRIPTOR),
    _v3(QUOTER_V2, 13, "v3-periphery", "lens/QuoterV2", *_IN_V3),
    _v3(
        SWAP_ROUTER_02,
        14,
        "swap-router-contracts",
        "SwapRouter02",
        UNISWAP_V2_FACTORY,
        UNISWAP_V3_FACTORY,
        POSITION_MANAGER,
        WETH9,
    ),
)


def call_data(signature: str, *arguments: object) -> str:
    """ABI call data as the node wants it, from a signature such as `createPair(address,address)`."""
    selector = bytes(function_signature_to_4byte_selector(signature))
    if not arguments:
        return "0x" + selector.hex()
    types = [part.to_type_str() for part in parse(signature[signature.index("(") :]).components]
    return "0x" + (selector + encode(types, arguments)).hex()


async def deploy_protocols(anvil: Anvil) -> None:
    """Deploy everything in `DEPLOYMENTS` and enable V3's 0.01 % fee. Raises `WrongAddress`, `MissingTool`."""
    for deployer in (UNISWAP_V2_DEPLOYER, SUSHI_DEPLOYER, UNISWAP_V3_DEPLOYER):
        await anvil.batch([("anvil_impersonateAccount", [deployer]), ("anvil_setBalance", [deployer, hex(10**24)])])
    for deployment in DEPLOYMENTS:
        await anvil.rpc("anvil_setNonce", deployment.deployer, hex(deployment.nonce))
        await _mined(anvil, deployment.deployer, {"data": "0x" + deployment.code().hex()})
        if await anvil.rpc("eth_getCode", deployment.address, "latest") == "0x":
            raise WrongAddress(f"{deployment.artefact} did not land at {deployment.address}; run `make setup` again")
    enable = call_data("enableFeeAmount(uint24,int24)", 100, 1)
    await _mined(anvil, UNISWAP_V3_DEPLOYER, {"to": UNISWAP_V3_FACTORY, "data": enable})


async def _mined(anvil: Anvil, sender: Address, transaction: dict[str, str]) -> None:
    await anvil.rpc(
        "eth_sendTransaction",
        {"from": sender, "gas": hex(_DEPLOYMENT_GAS), "gasPrice": hex(GAS_PRICE_WEI), **transaction},
    )
    await anvil.rpc("evm_mine")
