"""The run file's `[pools]`: which pools make up the market, and where what is known of them is kept."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bot.config.section import Many, Section
from bot.config.values import ChainAddress, DatabaseUrl, EthAmount, FilePath, TokenName
from chains.assets import Amount


class PoolSettings(Section):
    """Which pools make up the market. Without `discover`, it is the list that comes with Isthmus: of what stands below,
    `tokens`, `deny_tokens`, `families` and `protocols` hold for it too.
    """

    discover: Annotated[bool, Field(examples=[True])] = False
    """Whether to find pools by their factories' events and by registries, at the start and while running."""

    url: Annotated[DatabaseUrl | None, Field(examples=["sqlite:///var/pools/ethereum.sqlite3"])] = None
    """SQLAlchemy URL of the pool store. Left out: an SQLite file in `folder`, one per network."""

    folder: Annotated[FilePath, Field(examples=["var/pools"], validate_default=True)] = Path("var/pools")
    """Folder of the pool stores."""

    from_block: Annotated[int | None, Field(ge=0, examples=[17000000])] = None
    """First block to look for pools in. Left out: the block in which each factory was made."""

    min_liquidity: Annotated[EthAmount, Field(examples=["1 ETH"])] = Amount(Decimal(1), "ETH")
    """Least depth of a pool: what one side of a constant-product pool of the same depth is worth."""

    max_pools: Annotated[int, Field(ge=1, examples=[10_000])] = 10_000
    """Most pools in the market; the deepest are kept."""

    tokens: Annotated[tuple[TokenName, ...], Field(strict=False, examples=[["WETH", "USDC"]]), Many] = ()
    """Only pools all of whose tokens are named here, by symbol or address. Empty: any token."""

    deny_tokens: Annotated[
        tuple[TokenName, ...], Field(strict=False, examples=[["0xdAC17F958D2ee523a2206206994597C13D831ec7"]]), Many
    ] = ()
    """No pools that trade one of these tokens."""

    families: Annotated[tuple[str, ...], Field(strict=False, examples=[["constant_product"]]), Many] = ()
    """Only pools of these families. Empty: every family whose mathematics is proven."""

    protocols: Annotated[tuple[str, ...], Field(strict=False, examples=[["uniswap_v2", "uniswap_v3"]]), Many] = ()
    """Only pools of these protocols, by their names in the network's file. Empty: every protocol."""

    vaults: Annotated[
        tuple[ChainAddress, ...],
        Field(strict=False, examples=[["0x83F20F44975D03b1b09e64809B757c47f942BEeA"]]),
        Many,
    ] = ()
    """ERC-4626 vaults, and aTokens of Aave V3, to trade through as well."""

    max_gap_blocks: Annotated[int, Field(ge=0, examples=[300])] = 300
    """After a longer pause than this many blocks, every pool is loaded anew instead of those that changed."""

    save_blocks: Annotated[int, Field(ge=1, examples=[50])] = 50
    """How many blocks lie between two saves of the pools' states."""
