"""A real run that is killed, and everything it leaves: `python -m tests.torture.secrets [--kills 5] [--seed 1]`.

The key and passphrase of a run on the twin are planted. Its signer or the run itself is killed while it trades; then a
person reconciles, verifies, replays and asks why. Neither is in what was said, served or kept, packed or not.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import random
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
from click.testing import CliRunner

from bot.cli import main as isthmus
from bot.replay.tape import NoTape, read_tape
from bot.signer.keystore import seal
from tests.bot.planting import PASSPHRASE, RAW_KEY, leaks
from tests.bot.running import Isthmus, twin_config

SHORT = 1
_PAGES = ("/", "/api/state", "/api/decisions", "/api/graph", "/healthz")
_STARTS_WITHIN_S = 300.0
_TRADES_S = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing planted turned up."""
    parser = argparse.ArgumentParser("python -m tests.torture.secrets", description=__doc__)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help=f"{SHORT} kill")
    options = parser.parse_args(arguments)
    begun, rng = time.monotonic(), random.Random(options.seed)
    looked, found = 0, list[str]()
    for number in range(SHORT if options.short else options.kills):
        with tempfile.TemporaryDirectory(prefix="isthmus-secrets-") as folder:
            passphrase = _planted(Path(folder))
            said = _killed(Path(folder), passphrase, "bot.signer" if number % 2 else "", rng)
            for name, text in (*said.items(), *_kept(Path(folder), passphrase)):
                looked += 1
                found += [f"kill {number}: {what} in {name}" for what in sorted(leaks(text))]
    for line in found:
        print(line, file=sys.stderr)
    print(f"{looked} artefacts looked through, {len(found)} hold a secret; {time.monotonic() - begun:.0f} s")
    return 1 if found or not looked else 0


def _planted(folder: Path) -> Path:
    """A run file with a keystore of the planted key; the file of its passphrase."""
    passphrase, keystore = folder / "passphrase", folder / "operator.json"
    for file, content in (
        (passphrase, PASSPHRASE.encode()),
        (keystore, seal(bytes.fromhex(RAW_KEY), PASSPHRASE.encode(), light=True)),
    ):
        file.touch(mode=0o600)
        file.write_bytes(content)
    config = twin_config(folder, dashboard="port = 0")
    config.write_text(config.read_text() + '\n[signer]\nkeystore = "operator.json"\n')
    return passphrase


def _killed(folder: Path, passphrase: Path, whom: str, rng: random.Random) -> dict[str, str]:
    """What was said and served by a run that ended badly, and by the commands a person types afterwards."""
    said = {}
    config = str(folder / "isthmus.toml")
    options = ("--config", config, "--passphrase-file", str(passphrase), "--for", "600s", "--debug", "--json")
    with Isthmus(folder, "run", *options) as run:
        run.until("settled", _STARTS_WITHIN_S)
        (url,) = re.findall(r"dashboard: (\S+)", run.stderr)
        for page in _PAGES:
            with contextlib.suppress(OSError), urllib.request.urlopen(url.rstrip("/") + page, timeout=20) as answer:
                said[page] = answer.read().decode(errors="replace")
        time.sleep(rng.uniform(0, _TRADES_S))
        run.kill(whom) if whom else run.process.kill()
        run.process.wait(_STARTS_WITHIN_S)
    for words in (("reconcile", "--config", config), ("ledger", "verify", "--config", config), ("replay",)):
        extra = ("--config", config) if words == ("replay",) else ()
        result = CliRunner().invoke(isthmus, [*words, *extra, "--debug"])
        said[words[0]] = result.output + result.stderr
    return said


def _kept(folder: Path, passphrase: Path) -> Iterator[tuple[str, str]]:
    """Every file a run left, as it lies there and, where it is compressed, as it reads."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path == passphrase:
            continue
        yield path.name, path.read_bytes().decode(errors="replace")
        with contextlib.suppress(OSError, EOFError):
            yield f"{path.name}, unpacked", gzip.decompress(path.read_bytes()).decode(errors="replace")
        with contextlib.suppress(NoTape):
            yield f"{path.name}, played", "\n".join(orjson.dumps(record).decode() for record in read_tape(path))


if __name__ == "__main__":
    sys.exit(main())
