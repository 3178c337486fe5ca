"""Verdicts: the exact unsigned transaction, run on an Anvil fork of the head it was decided on."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.simulator.fork import ForkFailed
    from bot.simulator.overlay import Overlay
    from bot.simulator.private import PrivateFork
    from bot.simulator.reverts import RevertReasons
    from bot.simulator.simulator import FinalVerdict, Simulator

__all__ = ["FinalVerdict", "ForkFailed", "Overlay", "PrivateFork", "RevertReasons", "Simulator"]

_HOMES = {
    "FinalVerdict": "simulator",
    "ForkFailed": "fork",
    "Overlay": "overlay",
    "PrivateFork": "private",
    "RevertReasons": "reverts",
    "Simulator": "simulator",
}


def __getattr__(name: str) -> Any:
    """Loaded on first use: the signer reads `verdict` from this package and must not load a node's client with it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
