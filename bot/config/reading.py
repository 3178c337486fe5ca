"""From a TOML file to a checked model. Every problem found is reported at once, each with its line and remedy."""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bot.config.errors import ConfigError, KeyPath, Problem, did_you_mean, dotted, nearest, shown
from bot.config.positions import key_lines, line_of
from bot.config.secrets import secrets_in_text, secrets_in_values
from bot.config.writing import toml_value

MAX_BYTES = 1 << 20
_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML file as read: its values, and the line each key stands on. `name` is how errors call the file."""

    name: str
    folder: Path
    values: Mapping[str, Any]
    lines: Mapping[KeyPath, int]

    def problem(self, path: KeyPath, message: str) -> Problem:
        return Problem(self.name, line_of(self.lines, path), dotted(path), message)


def read_document(path: Path, folder: Path | None = None) -> Document:
    """Read a file and refuse what is not TOML, and what holds secrets. Raises `ConfigError`.

    `folder` is where its relative paths count from, if not where it lies.
    """
    name = display_name(path)
    return parsed(_read_text(path, name), name, (folder or path.parent).resolve())


def parsed(text: str, name: str, folder: Path) -> Document:
    """The document that `text` is. Raises `ConfigError` for what is not TOML, and for secrets in it."""
    try:
        values = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ConfigError([_syntax_problem(name, text, error)]) from None
    document = Document(name, folder, values, key_lines(text))
    leaks = [Problem(name, line, "", message) for line, message in secrets_in_text(text)]
    leaks += [document.problem(found, message) for found, message in secrets_in_values(values)]
    if leaks:
        raise ConfigError(leaks)
    return document


def display_name(path: Path) -> str:
    """The path as a person would type it from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _read_text(path: Path, name: str) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError([Problem(name, None, "", "no such file; `isthmus init` writes a first one")]) from None
    except OSError as error:
        raise ConfigError(
            [Problem(name, None, "", f"cannot be read ({error.strerror}); name a readable file")]
        ) from None
    if len(data) > MAX_BYTES:
        raise ConfigError([Problem(name, None, "", "larger than 1 MB; this is not a configuration file")])
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(name, line, "", "not UTF-8 text; save the file as UTF-8")]) from None


def _syntax_problem(name: str, text: str, error: Exception) -> Problem:
    message = str(error)
    match = _AT_LINE.search(message)
    what = _AT_LINE.sub("", message) or type(error).__name__
    line = int(match[1]) if match and match[1] else text.count("\n") + 1
    return Problem(name, line, "", f"not valid TOML ({what}); keys are written `key = value`, text in quotes")


def validated(document: Document, model: type[Model], values: Mapping[str, Any] | None = None) -> Model:
    """The document as `model`. Raises `ConfigError` with every problem in it."""
    try:
        return model.model_validate(values or document.values, context={"folder": document.folder})
    except ValidationError as error:
        raise ConfigError(_problems(document, model, error.errors())) from None


def _problems(document: Document, model: type[BaseModel], errors: Sequence[ErrorDetails]) -> Iterator[Problem]:
    """One for each cause: a misspelt key is not missing too, and a list with a bad item is not too short too."""
    paths: list[KeyPath] = [tuple(error["loc"]) for error in errors]
    around = {path[:length] for path in paths for length in range(len(path))}
    misspelt = {
        (*path[:-1], nearest(str(path[-1]), _names_at(model, path[:-1])))
        for path, error in zip(paths, errors, strict=True)
        if error["type"] == "extra_forbidden"
    }
    for path, error in zip(paths, errors, strict=True):
        echo = path in misspelt if error["type"] == "missing" else path in around
        if not echo:
            yield document.problem(path, _message(error, path, model))


def _message(error: ErrorDetails, path: KeyPath, model: type[BaseModel]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key; {did_you_mean(str(path[-1]), _names_at(model, path[:-1]))}"
    if kind == "value_error":
        return str(context["error"])
    field = _field_at(model, path)
    write = f"write {_example(path, field)}"
    if kind == "missing":
        return f"missing; {write}"
    describe = _WHAT.get(kind)
    what = describe(context) if describe else error["msg"].lower()
    return f"{shown(error['input'])} is not allowed here, it must be {what}; {write}"


_WHAT: Mapping[str, Callable[[Mapping[str, Any]], str]] = MappingProxyType(
    {
        "int_type": lambda _: "a whole number",
        "string_type": lambda _: "text in quotes",
        "bool_type": lambda _: "true or false",
        "tuple_type": lambda _: "a list in brackets",
        "dict_type": lambda _: "a table",
        "model_type": lambda _: "a table",
        "literal_error": lambda context: context["expected"],
        "string_pattern_mismatch": lambda context: f"text that matches {context['pattern']}",
        "string_too_long": lambda context: f"text of at most {context['max_length']} characters",
        "greater_than_equal": lambda context: f"{context['ge']} or more",
        "less_than_equal": lambda context: f"{context['le']} or less",
        "less_than": lambda context: f"less than {context['lt']}",
        "too_short": lambda context: f"a list of at least {context['min_length']}",
        "too_long": lambda context: f"a list of at most {context['max_length']}",
    }
)


def _example(path: KeyPath, field: FieldInfo | None) -> str:
    """How the key is written, from its field's first example."""
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    if field is not None and field.examples:
        return f"`{name} = {toml_value(field.examples[0])}`"
    return f"the table `[{name}]`"


def _field_at(model: type[BaseModel], path: KeyPath) -> FieldInfo | None:
    """The nearest field around `path`."""
    names = [part for part in path if isinstance(part, str)]
    for length in range(len(names), 0, -1):
        table = _model_at(model, tuple(names[: length - 1]))
        if table is not None and names[length - 1] in table.model_fields:
            return table.model_fields[names[length - 1]]
    return None


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The model of the table at `path`, looking through tuples and options."""
    current: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, int):
            continue
        if current is None or part not in current.model_fields:
            return None
        current = table_model(current.model_fields[part].annotation)
    return current


def _names_at(model: type[BaseModel], path: KeyPath) -> Iterable[str]:
    """The keys that may stand in the table at `path`."""
    table = _model_at(model, path)
    return table.model_fields if table else ()


def table_model(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as `tuple[Model, ...]` or `Model | None`; None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (table_model(argument) for argument in typing.get_args(annotation))
    return next((inner for inner in found if inner is not None), None)
