"""The signer's process, begun where its run keeps its files: as a user of its own where root runs the bot."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bot.clock import Clock
from bot.config.options import Reporter
from bot.ledger.reading import SignedAt, newest_signed
from bot.run.hands import Hands
from bot.signer.account import Standing, let_through
from bot.signer.awaking import Awaking
from bot.signer.files import SIGNER_FOLDER
from bot.signer.gap import LACKING, RESTORED
from bot.world.world import World

PATIENCE_S = 2.0
"""How long a signer that is still ending may keep its journal."""
_FAR_AHEAD_S = 300


async def begin_signer(standing: Standing, world: World, hands: Hands, clock: Clock, out: Reporter) -> Awaking:
    """Begin its process as `standing` says, and say so. Raises `SignerError`, `JournalError`, `OSError`."""
    if standing.own is not None:
        let_through(standing.own, world.folder, world.memory)
    operators = hands.identity.operators
    for operator in operators:
        moved(world.memory / f"signer-{operator}.db", world.signer_journal([operator]))
    signed = newest_signed(world.ledger, world.instance, operators)
    if signed and not remembers(world.signer_journal(operators), signed, clock):
        lacking = "its journal lacks what the ledger knows to be signed, which counts as lost at its worst"
        out.line(f"signer: {lacking}; if the newest is somewhere, stop and put it back with its head file")
    if said := stands_still(world.signer_journal(operators), clock):
        out.line(f"signer: {said}")
    awaking = await Awaking.begin(
        keystore=hands.keys[0],
        further_keys=hands.keys[1:],
        directory=world.folder / SIGNER_FOLDER,
        journal=world.signer_journal(operators),
        control=world.control,
        account=standing.own,
    )
    out.line(f"signer: {standing}")
    return awaking


def remembers(journal: Path, signed: Sequence[SignedAt], clock: Clock) -> bool:
    """Whether the journal knows all that was `signed`. Where it was lost, or put back from an older copy, it is told
    that it is silent since: what it lacks counts as lost at its worst, once. Raises `JournalError`.
    """
    # Here, because the journal is the signer's: its modules are seldom needed in this process.
    from bot.signer.journal import Journal

    journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Journal(journal, PATIENCE_S) as kept:
        told = {detail for _, what, detail in kept.audit() if what == LACKING}
        lacking = [it for it in signed if it.tx_hash not in told and not kept.has_signed(it.tx_hash)]
        if not lacking:
            return True
        kept.verify()
        since_s = max(kept.newest_time_s(), min(it.since_s for it in lacking))
        kept.note(clock.wall_s(), RESTORED, repr(since_s))
        for it in lacking:
            kept.note(clock.wall_s(), LACKING, it.tx_hash)
        return False


def stands_still(journal: Path, clock: Clock) -> str:
    """What a person is told where the windows' clock, which never goes back, waits for a time that is far ahead; empty
    elsewhere. Raises `JournalError`.
    """
    from bot.signer.journal import Journal

    if not journal.exists():
        return ""
    with Journal(journal, PATIENCE_S) as kept:
        ahead_s = kept.newest_time_s() - clock.wall_s()
    if ahead_s < _FAR_AHEAD_S:
        return ""
    return (
        f"its journal was written by a clock {ahead_s / 3600:.1f} hours ahead of this machine's: for so long no loss "
        f"leaves its windows, and no grant or raise holds. If that clock was wrong, stop, move {journal}* away, and "
        "start: what was signed counts as lost at its worst instead, for a day"
    )


def moved(before: Path, journal: Path) -> Path:
    """`journal`, to which the one that lay at `before` is moved with all that belongs to it. Raises `OSError`."""
    if before.exists() and not journal.exists():
        journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Itself last: what is cut short is gone on with, and a journal without its head file is none.
        for suffix in ("-head", "-wal", ""):
            with suppress(FileNotFoundError):
                before.with_name(before.name + suffix).rename(journal.with_name(journal.name + suffix))
    return journal
