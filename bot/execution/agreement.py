"""Whether a deployed executor is the one the run file describes, and takes orders from the keys that will sign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from bot.execution.deployment import Deployment
from bot.execution.settings import Bound, Venues
from chains.assets import ZERO_ADDRESS, Address, Token
from chains.networks import Network


def differences(
    made: Deployment,
    profit_tokens: Iterable[Address],
    caps: Mapping[Token, int],
    bound: Bound,
    references: Sequence[Address] = (),
) -> list[str]:
    """What the run file says otherwise than the chain, one line each. `caps` are base units per block.

    `references` are the pools it names; it need not name any.
    """
    settings = made.settings
    lines = []
    if set(profit_tokens) != set(settings.profit_tokens):
        lines.append(f"profit tokens on chain are {', '.join(settings.profit_tokens)}; correct executor.profit_tokens")
    on_chain = {cap.token: cap.per_block for cap in settings.inventory}
    if {Address(token.address): units for token, units in caps.items()} != on_chain:
        listed = ", ".join(f"{token} up to {units}" for token, units in on_chain.items()) or "none"
        lines.append(f"inventory caps on chain are {listed}; correct executor.inventory_caps")
    if bound != settings.bound:
        said, least = settings.bound, settings.bound.slippage_ppm
        keys = "executor.reference_window_s and executor.allowed_slippage_ppm"
        lines.append(f"an exchange may end {least} ppm below a mean of {said.window_s} s on chain; correct {keys}")
    if references and list(references) != settings.references:
        lines.append(
            f"reference pools on chain are {', '.join(settings.references) or 'none'}; correct executor.reference_pools"
        )
    return lines


def strange_venues(made: Deployment, network: Network) -> list[str]:
    """Singletons the executor answers to that are not `network`'s, one line each; it may lack some."""
    meant, found = asdict(Venues.of(network)), asdict(made.settings.venues)
    return [
        f"{name} of executor {made.executor} is {at}, and {network.name}'s is {meant[name]}; deploy a new one"
        for name, at in found.items()
        if at not in (ZERO_ADDRESS, meant[name])
    ]


def not_ours(made: Deployment, operators: Iterable[Address]) -> list[str]:
    """The keys whose orders the contract would refuse, one line each."""
    known = made.settings.operators
    return [
        f"executor {made.executor} takes orders from {', '.join(known)}, and [signer] names the key of {operator}; "
        "correct executor.address or that key"
        for operator in operators
        if operator not in known
    ]
