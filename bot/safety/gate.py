"""May a token be held? Only if its newest report in the ledger says that it was measured and found exact."""

from __future__ import annotations

from collections.abc import Iterable

from bot.ledger.ledger import Ledger
from bot.reasons import Reason, Refusal
from bot.safety.code import Rpc, difference, read_code
from bot.safety.report import Standing, TokenReport
from chains.assets import ZERO_ADDRESS, Address, Token
from chains.blocks import Block, Head
from chains.codec.views import having
from chains.pools.upgrades import UPGRADED


def may_hold(ledger: Ledger, token: Token, head: Head) -> Refusal | None:
    """Why `token` may not be held as of `head`; None when it may. The native coin always may.

    A report from above `head` was measured on blocks that are no longer there, and counts for nothing.
    """
    if token.address == ZERO_ADDRESS:
        return None
    report = ledger.token_report(token.place, Address(token.address))
    remedy = f"run `isthmus tokens check {token.address}`"
    if report is None:
        return Refusal(Reason.TOKEN_UNTESTED, f"{token} was never measured; {remedy}")
    if report.block_number > head.number:
        return Refusal(
            Reason.TOKEN_UNTESTED, f"{token} was measured at block {report.block_number}, above the head; {remedy}"
        )
    if report.standing is Standing.UNTESTED:
        return Refusal(Reason.TOKEN_UNTESTED, f"{token} is untested: {'; '.join(report.notes)}; {remedy}")
    if report.standing is Standing.REFUSED:
        return Refusal(Reason.TOKEN_REFUSED, f"{token} is refused: {', '.join(report.oddities)}")
    return None


def lapse_upgraded(ledger: Ledger, tokens: Iterable[Token], block: Block) -> tuple[Token, ...]:
    """Those of `tokens` whose proxy said in `block` that its implementation changed. They are untested from here on."""
    told = {log.address for log in having(block.logs, {UPGRADED})}
    lapsed = []
    for token in tokens:
        report = ledger.token_report(token.place, Address(token.address)) if token.address in told else None
        if report is not None:
            why = f"its implementation changed in block {block.head.number}"
            ledger.record_token_report(report.lapsed(why, block.head.number, block.head.hash))
            lapsed.append(token)
    return tuple(lapsed)


async def lapse_changed(ledger: Ledger, tokens: Iterable[Token], rpc: Rpc, head: Head) -> tuple[Token, ...]:
    """Those of `tokens` whose code as of `head` is not what was measured. They are untested from here on.

    For a start, and for proxies that say nothing when they change. Raises what `rpc` raises.
    """
    lapsed = []
    for token in tokens:
        report = ledger.token_report(token.place, Address(token.address))
        if report is None or report.standing is Standing.UNTESTED:
            continue
        changed = await _changed(report, rpc, head)
        if changed is not None:
            ledger.record_token_report(report.lapsed(changed, head.number, head.hash))
            lapsed.append(token)
    return tuple(lapsed)


async def _changed(report: TokenReport, rpc: Rpc, head: Head) -> str | None:
    behind = [at for at in report.code.hashes if at != report.token]
    return difference(report.code, await read_code(rpc, report.token, behind, head))
