"""The signer, killed by its own hand right after, or right before, its journal commits. Run as the signer is."""

from __future__ import annotations

import os
import signal
import sys

from bot.signer.__main__ import main
from bot.signer.entries import Entry
from bot.signer.journal import Journal

_record = Journal.record


def _die_after_the_commit(journal: Journal, entry: Entry) -> None:
    _record(journal, entry)
    os.kill(os.getpid(), signal.SIGKILL)


def _die_before_the_commit(journal: Journal, entry: Entry) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    when, *arguments = sys.argv[1:]
    Journal.record = {"after": _die_after_the_commit, "before": _die_before_the_commit}[when]  # type: ignore[method-assign]
    sys.exit(main(arguments))
