"""Eight floats at once: rows of eight 32-bit floats, read, compared and written by vector instructions.

One instruction stands for a loop over the lanes: it is as fast as the best that a compiler makes of the loop, and
compiled in no time. Nothing here checks the bounds of what it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from chains.kernels.instructions import instruction

WIDTH = 8
_FLOAT, _BYTE, _INDEX = ir.FloatType(), ir.IntType(8), ir.IntType(64)
_ROW = ir.VectorType(_FLOAT, WIDTH)
_FLAGS = ir.IntType(WIDTH)
_ALIGNED = 4


def _place(context: Any, builder: Any, kind: Any, array: Any, at: Sequence[Any], lane: Any = None) -> Any:
    """Where the eight floats of an array's row begin, or those from `lane` on."""
    made = context.make_array(kind)(context, builder, array)
    strides = cgutils.unpack_tuple(builder, made.strides)  # type: ignore[no-untyped-call]
    offset = _INDEX(0) if lane is None else builder.mul(lane, _INDEX(4))
    for index, stride in zip(at, strides, strict=False):
        offset = builder.add(offset, builder.mul(index, stride))
    place = builder.gep(builder.bitcast(made.data, _BYTE.as_pointer()), [offset])
    return builder.bitcast(place, _ROW.as_pointer())


def _row(builder: Any, place: Any) -> Any:
    return builder.load(place, align=_ALIGNED)


def _any(context: Any, builder: Any, flags: Any) -> Any:
    """Whether any of eight flags is set."""
    return builder.icmp_unsigned("!=", builder.bitcast(flags, _FLAGS), _FLAGS(0))


def _greater(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", other, one), other, one)


@instruction
def above(typing_context: Any, rows: Any, at: Any, lane: Any, needed: Any, which: Any) -> Any:
    """Whether the eight floats of `rows[at]` from `lane` on are above those of `needed[which]` at any lane."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = _row(builder, _place(context, builder, signature.args[0], args[0], [args[1]], args[2]))
        least = _row(builder, _place(context, builder, signature.args[3], args[3], [args[4]]))
        return _any(context, builder, builder.fcmp_ordered(">", found, least))

    return types.boolean(rows, types.int64, types.int64, needed, types.int64), code


@instruction
def product_above(typing_context: Any, rows: Any, one: Any, other: Any, needed: Any, which: Any) -> Any:
    """Whether `rows[one]` · `rows[other]` is above `needed[which]` at any lane."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first, second = (
            _row(builder, _place(context, builder, signature.args[0], args[0], [at])) for at in (args[1], args[2])
        )
        least = _row(builder, _place(context, builder, signature.args[3], args[3], [args[4]]))
        return _any(context, builder, builder.fcmp_ordered(">", builder.fmul(first, second), least))

    return types.boolean(rows, types.int64, types.int64, needed, types.int64), code


@instruction
def above_between(typing_context: Any, table: Any, one: Any, other: Any, needed: Any, which: Any) -> Any:
    """Whether `table[one, other]` is above `needed[which]` at any lane."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = _row(builder, _place(context, builder, signature.args[0], args[0], [args[1], args[2]]))
        least = _row(builder, _place(context, builder, signature.args[3], args[3], [args[4]]))
        return _any(context, builder, builder.fcmp_ordered(">", found, least))

    return types.boolean(table, types.int64, types.int64, needed, types.int64), code


@instruction
def divided(typing_context: Any, lanes: Any, which: Any, into: Any, rows: Any, at: Any, endless: Any) -> Any:
    """Write `lanes[which]` / `rows[at]` into `lanes[into]`; whether any of it is below `endless`."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        before = _row(builder, _place(context, builder, signature.args[0], args[0], [args[1]]))
        divisor = _row(builder, _place(context, builder, signature.args[3], args[3], [args[4]]))
        quotient = builder.fdiv(before, divisor)
        target = _place(context, builder, signature.args[0], args[0], [args[2]])
        builder.store(quotient, target, align=_ALIGNED)
        limit = builder.insert_element(ir.Constant(_ROW, ir.Undefined), args[5], ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        limits = builder.shuffle_vector(limit, ir.Constant(_ROW, ir.Undefined), zeros)
        return _any(context, builder, builder.fcmp_ordered("<", quotient, limits))

    return types.boolean(lanes, types.int64, types.int64, rows, types.int64, types.float32), code


@instruction
def put_product(
    typing_context: Any,
    rows: Any,
    top: Any,
    at: Any,
    group: Any,
    lane: Any,
    factors: Any,
    one: Any,
    two: Any,
    three: Any,
) -> Any:
    """Write the product of `factors[one]`, `factors[two]` and, where `three` is not below 0, `factors[three]` into
    `rows[at]` from `lane` on, and raise `top[group]` there to it; whether a lane that was the top's has become less."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        own, tops, factor = (signature.args[n] for n in (0, 1, 5))

        def loaded(at: Any) -> Any:
            return _row(builder, _place(context, builder, factor, args[5], [at]))

        product = builder.fmul(loaded(args[6]), loaded(args[7]))
        more = builder.icmp_signed(">=", args[8], _INDEX(0))
        third = loaded(builder.select(more, args[8], args[7]))
        product = builder.select(more, builder.fmul(product, third), product)
        target = _place(context, builder, own, args[0], [args[2]], args[4])
        highest = _place(context, builder, tops, args[1], [args[3]], args[4])
        before, best = _row(builder, target), _row(builder, highest)
        was_best = builder.fcmp_ordered(">=", before, best)
        stale = builder.and_(was_best, builder.fcmp_ordered("<", product, before))
        builder.store(product, target, align=_ALIGNED)
        builder.store(_greater(builder, best, product), highest, align=_ALIGNED)
        return _any(context, builder, stale)

    index = types.int64
    return types.boolean(rows, top, index, index, index, factors, index, index, index), code


@instruction
def raise_between(typing_context: Any, table: Any, one: Any, other: Any, rows: Any, at: Any, lane: Any) -> Any:
    """Raise `table[one, other]` to the eight floats of `rows[at]` from `lane` on, where those are greater."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = _place(context, builder, signature.args[0], args[0], [args[1], args[2]])
        found = _row(builder, _place(context, builder, signature.args[3], args[3], [args[4]], args[5]))
        builder.store(_greater(builder, _row(builder, target), found), target, align=_ALIGNED)
        return context.get_dummy_value()

    return types.void(table, types.int64, types.int64, rows, types.int64, types.int64), code


@instruction
def raise_to_product(typing_context: Any, table: Any, one: Any, other: Any, rows: Any, first: Any, second: Any) -> Any:
    """Raise `table[one, other]` to `rows[first]` · `rows[second]`, where that is greater."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = _place(context, builder, signature.args[0], args[0], [args[1], args[2]])
        factors = (
            _row(builder, _place(context, builder, signature.args[3], args[3], [at])) for at in (args[4], args[5])
        )
        product = builder.fmul(*factors)
        builder.store(_greater(builder, _row(builder, target), product), target, align=_ALIGNED)
        return context.get_dummy_value()

    return types.void(table, types.int64, types.int64, rows, types.int64, types.int64), code


@instruction
def raise_row(typing_context: Any, rows: Any, at: Any, others: Any, other: Any, lane: Any) -> Any:
    """Raise the eight floats of `rows[at]` from `lane` on to those of `others[other]`, where those are greater."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = _place(context, builder, signature.args[0], args[0], [args[1]], args[4])
        found = _row(builder, _place(context, builder, signature.args[2], args[2], [args[3]], args[4]))
        builder.store(_greater(builder, _row(builder, target), found), target, align=_ALIGNED)
        return context.get_dummy_value()

    return types.void(rows, types.int64, others, types.int64, types.int64), code


@instruction
def fetch(typing_context: Any, array: Any, at: Any) -> Any:
    """Ask for `array[at]`, which is brought near while other work goes on. No `at` is wrong."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, args[0])
        stride = cgutils.unpack_tuple(builder, made.strides)[0]  # type: ignore[no-untyped-call]
        place = builder.gep(builder.bitcast(made.data, _BYTE.as_pointer()), [builder.mul(args[1], stride)])
        kinds = [_BYTE.as_pointer(), *[ir.IntType(32)] * 3]
        asked = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, ir.FunctionType(ir.VoidType(), kinds), "llvm.prefetch.p0i8"
        )
        read, often, data = (ir.IntType(32)(number) for number in (0, 3, 1))
        builder.call(asked, [place, read, often, data])
        return context.get_dummy_value()

    return types.void(array, types.int64), code
