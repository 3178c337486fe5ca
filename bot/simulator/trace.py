"""A `callTracer` answer for a person: which contract was called, with which function, and where it failed and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from bot.simulator.question import Emitted
from bot.simulator.reverts import RevertReasons
from chains.assets import Address, address
from chains.executor import SIGNATURES

MOST_LINES = 400
"""What a trace shows at most; what a bomb nests deeper is left out."""

Frame = Mapping[str, Any]

_KNOWN = (
    *SIGNATURES,
    "transfer(address,uint256)",
    "transferFrom(address,address,uint256)",
    "approve(address,uint256)",
    "balanceOf(address)",
    "deposit()",
    "withdraw(uint256)",
    "swap(uint256,uint256,address,bytes)",
    "swap(address,bool,int256,uint160,bytes)",
    "uniswapV3SwapCallback(int256,int256,bytes)",
    "unlock(bytes)",
    "unlockCallback(bytes)",
    "exchange(int128,int128,uint256,uint256)",
    "exchange(uint256,uint256,uint256,uint256)",
    "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))",
    "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))",
    "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)",
    "allowance(address,address)",
    "token0()",
    "token1()",
    "slot0()",
    "getReserves()",
    "sync()",
    "settle()",
    "take(address,address,uint256)",
)
_FUNCTIONS = {"0x" + keccak(text=signature)[:4].hex(): signature.partition("(")[0] for signature in _KNOWN}


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One call. `name` is what the contract is called here, or its address; `error` is empty where it succeeded."""

    depth: int
    kind: str
    to: Address | None
    name: str
    function: str
    gas_used: int
    error: str

    def __str__(self) -> str:
        call = f"{'  ' * self.depth}{self.kind.lower()} {self.name} {self.function}".rstrip()
        failed = f"  FAILED: {self.error}" if self.error else ""
        return f"{call}  {self.gas_used:,} gas{failed}"


def read_trace(frame: Frame, names: Mapping[Address, str], reasons: RevertReasons) -> tuple[TraceLine, ...]:
    """Every call in order, down to `MOST_LINES`."""
    lines: list[TraceLine] = []
    for depth, call in _walk(frame, 0):
        if len(lines) == MOST_LINES:
            break
        lines.append(_line(depth, call, names, reasons))
    return tuple(lines)


def where_it_failed(frame: Frame, names: Mapping[Address, str], reasons: RevertReasons) -> TraceLine | None:
    """The call that the failure began in: each caller's last call failed, down to this one. None where none failed."""
    if "error" not in frame:
        return None
    depth = 0
    while (calls := frame.get("calls")) and "error" in calls[-1]:
        frame, depth = calls[-1], depth + 1
    return _line(depth, frame, names, reasons)


def logs_in(frame: Frame) -> tuple[Emitted, ...]:
    """The events of a trace that was made with `withLog`, in no certain order between calls."""
    return tuple(
        Emitted(
            address(log["address"]),
            tuple(bytes.fromhex(topic[2:]) for topic in log.get("topics", ())),
            bytes.fromhex(log.get("data", "0x")[2:]),
        )
        for _, call in _walk(frame, 0)
        for log in call.get("logs", ())
    )


def _walk(frame: Frame, depth: int) -> Iterator[tuple[int, Frame]]:
    waiting = [(depth, frame)]
    while waiting:
        depth, frame = waiting.pop()
        yield depth, frame
        waiting += [(depth + 1, call) for call in reversed(frame.get("calls", ()))]


def _line(depth: int, frame: Frame, names: Mapping[Address, str], reasons: RevertReasons) -> TraceLine:
    to = address(frame["to"]) if frame.get("to") else None
    selector = str(frame.get("input", "0x"))[:10]
    return TraceLine(
        depth=depth,
        kind=str(frame["type"]),
        to=to,
        name=names.get(to, to) if to is not None else "a new contract",
        function=_FUNCTIONS.get(selector, selector if len(selector) == 10 else ""),
        gas_used=int(str(frame.get("gasUsed", "0x0")), 16),
        error=_error(frame, reasons),
    )


def _error(frame: Frame, reasons: RevertReasons) -> str:
    if "error" not in frame:
        return ""
    output = str(frame.get("output") or "0x")
    return reasons.read(bytes.fromhex(output[2:])) if len(output) > 2 else str(frame["error"])
