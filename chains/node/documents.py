"""What a node said, as JSON, but with a list of one block's logs as numbers for those who ask so."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, TypeGuard

import orjson

from chains.kernels.cache import compiled
from chains.node import wire

if TYPE_CHECKING:
    from chains.codec.views import LogsView

_OPENING = b'"result":[{'
_MOST_LISTS = 16
"""No bot asks for more of them in one frame, and each takes room before it is read."""


def opened(frame: bytes | str) -> Any:
    """`frame` as `orjson.loads` reads it, but each result that lists one block's logs, in order, is a `LogsView`.

    So it is where kernels are compiled, and the logs stand there as nodes write them. Raises `orjson.JSONDecodeError`.
    """
    document = _numbered(frame) if isinstance(frame, bytes) and _OPENING in frame and compiled() else None
    return orjson.loads(frame) if document is None else document


def as_json(result: Any) -> Any:
    """A result as `orjson.loads` reads it, whatever `opened` made of it."""
    return result.documents() if is_view(result) else result


def is_view(result: Any) -> TypeGuard[LogsView]:
    """Whether `opened` made numbers of a result."""
    if result is None or isinstance(result, dict | list | str | int | float):
        return False
    from chains.codec.views import LogsView

    return isinstance(result, LogsView)


def _numbered(frame: bytes) -> Any:
    """The document, or None where a list is not as nodes write it, or does not stand where a result does."""
    from chains.codec.listed import listed, padded
    from chains.codec.views import LogsView

    # Stands for each list in the rest of the text. No node can know it.
    mark = secrets.token_hex(16)
    text, views = padded(frame), dict[str, LogsView]()
    rest, done = list[bytes](), 0
    at = frame.find(_OPENING)
    while at >= 0:
        begin = at + len(_OPENING) - 1
        found = listed(text, begin, len(frame)) if len(views) < _MOST_LISTS else None
        if found is None or frame[found.end : found.end + 1] != b"]" or not found.in_order:
            return None
        name = f"{mark}{len(views)}"
        rest += [frame[done : begin - 1], f'"{name}"'.encode()]
        done = found.end + 1
        views[name] = LogsView(found.logs, frame[begin - 1 : done], found.spans - (begin - 1), wire.log)
        at = frame.find(_OPENING, done)
    try:
        document = orjson.loads(b"".join([*rest, frame[done:]]))
    except orjson.JSONDecodeError:
        return None
    for item in document if isinstance(document, list) else (document,):
        result = item.get("result") if isinstance(item, dict) else None
        if isinstance(result, str) and result in views:
            item["result"] = views.pop(result)
    return None if views else document
