"""What every table of a configuration file has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """A table: unknown keys and wrong types are refused, and nothing changes after reading.

    The text under a key is its documentation: in the JSON schema, in docs/configuration.md and in editors.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Many = BeforeValidator(_tuple)
"""Marks a tuple: TOML has arrays, frozen models have tuples."""
