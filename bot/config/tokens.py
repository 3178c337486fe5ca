"""The tokens a configuration names, as the network knows them."""

from __future__ import annotations

from bot.config.model import RunSections
from chains.assets import Address, Token, address
from chains.networks import Network


def token_address(name: str, network: Network) -> Address:
    """The address of a token named by symbol or address. Raises `UnknownName`."""
    return address(name) if name.startswith("0x") else Address(network.token(name).address)


def profit_tokens(sections: RunSections, network: Network) -> tuple[Address, ...]:
    """What a closed cycle may gain."""
    return tuple(token_address(name, network) for name in sections.executor.profit_tokens)


def inventory_caps(sections: RunSections, network: Network) -> tuple[tuple[Token, int], ...]:
    """Each inventory token with the most base units of it that may be spent per block."""
    named = ((network.token(cap.unit), cap) for cap in sections.executor.inventory_caps)
    return tuple((token, cap.units(token.decimals)) for token, cap in named)
