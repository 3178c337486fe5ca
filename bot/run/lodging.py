"""The signer's process, begun where its run keeps its files: as a user of its own where root runs the bot."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from bot.config.options import Reporter
from bot.run.hands import Hands
from bot.signer.account import Standing, let_through
from bot.signer.awaking import Awaking
from bot.signer.files import SIGNER_FOLDER
from bot.world.world import World


async def begin_signer(standing: Standing, world: World, hands: Hands, out: Reporter) -> Awaking:
    """Begin its process as `standing` says, and say so. Raises `SignerError`, `OSError`."""
    if standing.own is not None:
        let_through(standing.own, world.folder, world.memory)
    operators = hands.identity.operators
    for operator in operators:
        moved(world.memory / f"signer-{operator}.db", world.signer_journal([operator]))
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


def moved(before: Path, journal: Path) -> Path:
    """`journal`, to which the one that lay at `before` is moved with all that belongs to it. Raises `OSError`."""
    if before.exists() and not journal.exists():
        journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Itself last: what is cut short is gone on with, and a journal without its head file is none.
        for suffix in ("-head", "-wal", ""):
            with suppress(FileNotFoundError):
                before.with_name(before.name + suffix).rename(journal.with_name(journal.name + suffix))
    return journal
