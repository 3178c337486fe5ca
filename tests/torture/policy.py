"""Fuzzed transactions offered to the signer: `python -m tests.torture.policy [--offers 10000] [--seed 1]`.

Types and encodings beneath the encoder (legacy, access lists, blobs, EIP-7702, creations, noise), requests with wild
values, consistent requests for wild plans, and replays. Nothing outside the policy is ever signed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.bot.signer.corpus import REQUESTS
from tests.bot.signer.envelopes import CASES
from tests.bot.signer.wild import Outside, offer

SHORT = 2_000


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing was signed outside the policy."""
    parser = argparse.ArgumentParser("python -m tests.torture.policy", description=__doc__)
    parser.add_argument("--offers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help=f"{SHORT} offers")
    options = parser.parse_args(arguments)
    offers = SHORT if options.short else options.offers
    begun = time.monotonic()
    try:
        seen = offer(options.seed, offers)
    except Outside as error:
        print(f"1 signature outside the policy: {error}")
        return 1
    counted = ", ".join(f"{count} {what}" for what, count in sorted(seen.items()))
    print(
        f"{offers} transactions: 0 signatures outside the policy ({counted}); "
        f"{len(REQUESTS) + len(CASES)} cases in the corpus; {time.monotonic() - begun:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
