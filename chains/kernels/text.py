"""Reading characters many at a time, by vector instructions. Nothing here checks the bounds of what it reads."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from chains.kernels.instructions import instruction

_BYTE, _LIMB = ir.IntType(8), ir.IntType(64)


def _splat(value: int, count: int) -> Any:
    return ir.Constant(ir.VectorType(_BYTE, count), [value] * count)


def _loaded(context: Any, builder: Any, kind: Any, data: Any, at: Any, count: int) -> Any:
    """`count` bytes of an array from `at` on, as a vector."""
    array = context.make_array(kind)(context, builder, data)
    place = builder.gep(array.data, [at])
    return builder.load(builder.bitcast(place, ir.VectorType(_BYTE, count).as_pointer()), align=1)


def _shuffled(builder: Any, vector: Any, places: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


def _hexadecimal(builder: Any, text: Any, count: int) -> Any:
    """The bytes that `count` characters spell, least significant first, and whether all are hexadecimal."""
    folded = builder.or_(text, _splat(0x20, count))
    digit = builder.sub(text, _splat(ord("0"), count))
    letter = builder.sub(folded, _splat(ord("a"), count))
    is_digit = builder.icmp_unsigned("<", digit, _splat(10, count))
    is_letter = builder.icmp_unsigned("<", letter, _splat(6, count))
    nibbles = builder.select(is_digit, digit, builder.add(letter, _splat(10, count)))
    bits = ir.IntType(count)
    right = builder.icmp_unsigned("==", builder.bitcast(builder.or_(is_digit, is_letter), bits), bits(-1))
    high = _shuffled(builder, nibbles, list(range(count - 2, -1, -2)))
    low = _shuffled(builder, nibbles, list(range(count - 1, -1, -2)))
    return builder.or_(builder.shl(high, _splat(4, count // 2)), low), right


def _reader(limbs: int) -> Any:
    """An instruction that reads so many limbs (16 characters each): the limbs, least significant first, and a flag."""

    def read(typing_context: Any, data: Any, at: Any) -> Any:
        count = 16 * limbs
        answer: Any = types.Tuple([types.uint64] * limbs + [types.boolean])  # type: ignore[no-untyped-call]

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            text = _loaded(context, builder, signature.args[0], args[0], args[1], count)
            spelt, right = _hexadecimal(builder, text, count)
            words = builder.bitcast(spelt, ir.VectorType(_LIMB, limbs))
            parts = [builder.extract_element(words, ir.IntType(32)(place)) for place in range(limbs)]
            flag = context.cast(builder, right, types.boolean, types.boolean)
            return context.make_tuple(builder, answer, (*parts, flag))

        return answer(data, types.int64), code

    return instruction(read)


hex64 = _reader(4)
"""64 characters at a place of a byte array: four limbs, and whether all are hexadecimal."""
hex32 = _reader(2)
"""32 characters: two limbs, and the same."""
hex16 = _reader(1)
"""16 characters: one limb, and the same."""

RUN = 32


@instruction
def plain_run(typing_context: Any, data: Any, at: Any) -> Any:
    """How many of the `RUN` characters at `at` come before the first quote, backslash or non-printable one."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        text = _loaded(context, builder, signature.args[0], args[0], args[1], RUN)
        quote = builder.icmp_unsigned("==", text, _splat(ord('"'), RUN))
        escape = builder.icmp_unsigned("==", text, _splat(ord("\\"), RUN))
        printable = builder.icmp_unsigned("<", builder.sub(text, _splat(0x20, RUN)), _splat(0x5F, RUN))
        odd = builder.or_(builder.or_(quote, escape), builder.not_(printable))
        bits = builder.bitcast(odd, ir.IntType(RUN))
        return builder.zext(builder.cttz(bits, ir.IntType(1)(0)), _LIMB)

    return types.int64(data, types.int64), code
