"""Files that are put in the place of others."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def put_whole(file: Path, content: bytes) -> None:
    """`content` in `file`, all of it or nothing: a reader never sees a part, and what was there before is not lost.

    Its rights stay as they were. It is not synced: after a power cut it may be as it was before. Raises `OSError`.
    """
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        fresh.write_bytes(content)
        if file.exists():
            shutil.copymode(file, fresh)
        fresh.replace(file)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
