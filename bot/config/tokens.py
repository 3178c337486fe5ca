"""The tokens a configuration names, as the network knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.config.errors import did_you_mean
from bot.config.model import RunSections
from bot.config.transfers import TransferSettings
from bot.execution.settings import Bound
from bot.market.transfers import Transfer
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


def inventory_bound(sections: RunSections) -> Bound:
    """The least that must come back for what the inventory lends."""
    return Bound(sections.executor.reference_window_s, sections.executor.allowed_slippage_ppm)


def transfer_ends(network: Network, currencies: Iterable[Token]) -> dict[str, Token]:
    """Every token that a transfer can begin or end with, as `place:symbol`."""
    here = (*network.tokens.values(), network.native)
    return {f"{token.place}:{token.symbol}": token for token in (*currencies, *here)}


def transfer_of(settings: TransferSettings, ends: Mapping[str, Token], network: Network) -> Transfer:
    """A way between two places as the market knows it. Raises `ValueError`, which says what to write instead."""
    for end in (settings.source, settings.target):
        if end not in ends:
            raise ValueError(f"no token {end!r} here; {did_you_mean(end, ends)}")
    source, target = ends[settings.source], ends[settings.target]
    if network.assets.of(source) != network.assets.of(target):
        raise ValueError(f"{source} and {target} stand for different assets; a transfer keeps what it carries")
    fee, least = source.units(settings.fee), max(source.units(settings.least), 1)
    return Transfer(source, target, fee, settings.fee_ppm, least, settings.delay_s, settings.gas)
