"""Small faults that could be written into a source file, one at a time. No file is touched here.

Left alone: annotations, docstrings, and all text, of which only people read most.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_UNREAD = frozenset({"annotation", "returns", "type_comment", "decorator_list"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: in `file`, on `line` (from 1), `before` gives way to `after` at the bytes `start` to `end`.

    `text` is how the line reads. What runs the fault runs one of the lines `runs`; None where the import does.
    `function` is the outermost function it is in: its qualified name and its first line.
    """

    file: str
    line: int
    text: str
    before: str
    after: str
    start: int
    end: int
    runs: range | None
    function: tuple[str, int] | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {_shown(self.before)}  →  {_shown(self.after)}"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is, wherever in its file that line stands."""
        return self.file, self.text, _shown(self.before), _shown(self.after)

    def applied(self, source: bytes) -> bytes:
        """`source` with the fault in it."""
        return source[: self.start] + self.after.encode() + source[self.end :]


def mutants(file: str, source: bytes) -> list[Mutant]:
    """Every fault there is one for in `source`, in the order of the lines."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    found = []
    module = ast.parse(source)
    functions = list(_functions(module.body))
    for node, statement in _nodes(module, None):
        for part, after in _faults(node):
            start, end = starts[part.lineno - 1] + part.col_offset, starts[_last(part) - 1] + _end(part)
            runs = None if statement is None else range(statement, _last(part) + 1)
            text, before = lines[part.lineno - 1].decode().strip(), source[start:end].decode()
            function = None if runs is None else next((where for span, where in functions if part.lineno in span), None)
            found.append(Mutant(file, part.lineno, text, before, after, start, end, runs, function))
    return sorted(found, key=lambda mutant: (mutant.start, mutant.end, mutant.after))


Part = ast.expr | ast.stmt


def _last(part: Part) -> int:
    return part.end_lineno or part.lineno


def _end(part: Part) -> int:
    return part.end_col_offset or 0


def _nodes(node: ast.AST, statement: int | None) -> Iterator[tuple[ast.AST, int | None]]:
    """What is under `node` and may be changed, with the line its statement begins on, where that is in a function.

    Inside f-strings, places are not told rightly before Python 3.12.
    """
    for name, value in ast.iter_fields(node):
        if name in _UNREAD:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                continue
            begun = statement
            if isinstance(child, ast.stmt) and (statement is not None or _in_a_function(node, name)):
                begun = child.lineno
            yield child, begun
            yield from _nodes(child, begun)


def _functions(body: Sequence[ast.stmt], scope: str = "") -> Iterator[tuple[range, tuple[str, int]]]:
    """The lines of each function that is in no other, and where it is."""
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield from _functions(statement.body, f"{scope}{statement.name}.")
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min(part.lineno for part in (statement, *statement.decorator_list))
            yield range(first, _last(statement) + 1), (scope + statement.name, first)


def _in_a_function(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and name == "body"


def _faults(node: ast.AST) -> Iterator[tuple[Part, str]]:
    """What may be put in place of which part of `node`."""
    match node:
        case ast.Compare():
            for at, operator in enumerate(node.ops):
                other = [*node.ops[:at], _COMPARISONS[type(operator)](), *node.ops[at + 1 :]]
                yield node, _written(ast.Compare(node.left, other, node.comparators))
        case ast.BinOp() if type(node.op) in _OPERATORS:
            yield node, _written(ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right))
        case ast.AugAssign() if type(node.op) in _OPERATORS:
            yield node, ast.unparse(ast.AugAssign(node.target, _OPERATORS[type(node.op)](), node.value))
            yield node, "pass"
        case ast.BoolOp():
            yield node, _written(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node, _written(node.operand)
        case ast.Constant(value=bool() as value):
            yield node, str(not value)
        case ast.Constant(value=int() | float() as value):
            yield node, repr(value + 1)
        case ast.Name(id=name, ctx=ast.Load()) if name in _NAMES:
            yield node, _NAMES[name]
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if _plain(test):
            yield test, f"(not {_written(test)})"
        case ast.comprehension(ifs=tests):
            yield from ((test, f"(not {_written(test)})") for test in tests if _plain(test))
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield node, "return None"
        case ast.Raise() | ast.Expr(value=ast.Call() | ast.Await()) | ast.Delete():
            yield node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript() | ast.Tuple(elts=[ast.Attribute(), *_])]):
            yield node, "pass"
        case ast.Continue():
            yield node, "break"
        case ast.Break():
            yield node, "continue"


def _written(part: ast.expr) -> str:
    return f"({ast.unparse(part)})"


def _plain(test: ast.expr) -> bool:
    """Whether no other fault turns this condition over."""
    return not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.NamedExpr)


def _shown(text: str) -> str:
    return " ".join(text.split())
