"""What a signer that is another user needs where the tests run: a Python and a folder which that user can reach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.signer.account import UID, Account, standing

ACCOUNT = Account(UID, UID)
STRANGER = 64_999


def missing() -> str:
    """Why no signer can be another user here; empty where one can."""
    if os.geteuid() != 0:
        return "the tests are not run as root"
    return "" if _python() else "no Python here that another user could start"


def _python() -> str | None:
    """One that is not in somebody's home folder."""
    if standing(None, [Path(sys.executable).resolve()]).own is not None:
        return sys.executable
    found = shutil.which(f"python{sys.version_info.major}.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    return found if found and not Path(found).resolve().is_relative_to(Path.home()) else None


@contextmanager
def reachable() -> Iterator[tuple[Path, str]]:
    """A folder that anybody can pass through, and in it a Python that has the packages of this one."""
    with tempfile.TemporaryDirectory(prefix="isthmus-apart-") as made:
        folder, found = Path(made), _python()
        assert found is not None
        folder.chmod(0o711)
        if found == sys.executable:
            yield folder, found
            return
        python = folder / "venv" / "bin" / "python"
        packages = folder / "venv" / Path(sysconfig.get_paths()["purelib"]).relative_to(sys.prefix)
        for needed in (python.parent, packages):
            needed.mkdir(parents=True)
        python.symlink_to(found)
        (folder / "venv" / "pyvenv.cfg").write_text(f"home = {Path(found).parent}\n")
        (packages / "ours.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        yield folder, str(python)


def tried(code: str, *words: str | Path, uid: int, gid: int) -> str:
    """What `code`, run as another user, printed last."""
    played = subprocess.run(
        [str(_python()), "-I", "-c", code, *words],
        capture_output=True,
        text=True,
        user=uid,
        group=gid,
        extra_groups=[],
        cwd="/",
    )
    return (played.stdout + played.stderr).splitlines()[-1]
