"""Instructions that only compiled code has."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any, cast

from llvmlite import ir
from llvmlite.ir.instructions import CallInstr
from numba import typeof
from numba.core import types
from numba.extending import intrinsic

from chains.kernels.jit import called

_LIMB = ir.IntType(64)


def instruction(typed: Callable[..., Any]) -> Callable[..., Any]:
    """What `typed` describes (a type signature and its code), as a function that only kernels can call."""
    return cast(Callable[..., Any], intrinsic(typed))


def outlined(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """As `called`, for what is long and called from many places: called there, never copied in, so that compiling stays
    short."""
    compiled = called(kernel)

    def call(typing_context: Any, *arguments: Any) -> Any:
        kind = typeof(compiled)  # type: ignore[no-untyped-call]
        resolved = typing_context.resolve_function_type(kind, arguments, {})

        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            before = {id(each) for block in builder.function.blocks for each in block.instructions}
            result = context.get_function(kind, resolved)(builder, values)
            for block in builder.function.blocks:
                for each in block.instructions:
                    if id(each) not in before and isinstance(each, CallInstr):
                        each.attributes.add("noinline")
            return result

        return resolved.return_type(*arguments), code

    first = Parameter("typing_context", Parameter.POSITIONAL_OR_KEYWORD)
    cast(Any, call).__signature__ = Signature([first, *signature(kernel).parameters.values()])
    return instruction(call)


@instruction
def load64(typing_context: Any, data: Any, at: Any) -> Any:
    """Eight bytes of `data` from `at` on as one number, the first byte most significant. Nothing checks the bounds."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0]
        array = context.make_array(kind)(context, builder, args[0])
        place = builder.gep(array.data, [args[1]])
        word = builder.load(builder.bitcast(place, _LIMB.as_pointer()), align=1)
        return builder.bswap(word)

    return types.uint64(data, types.int64), code
