"""Building blocks of functions that are written in LLVM's language.

Public interfaces only: `llvmlite.ir` builds instructions, `numba.extending` tells numba the types
and the implementation of a function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

I16, I32, I64 = (ir.IntType(bits) for bits in (16, 32, 64))
F64 = ir.DoubleType()


def lowered(function: Callable[..., Any], typer: Callable[..., Any]) -> Callable[..., Any]:
    """Give a Python function an implementation in compiled kernels.

    Parameters
    ----------
    function
        The function that kernels call.
    typer
        Called with the numba types of the arguments, returns the signature with the types that
        arguments are converted to.

    Returns
    -------
    Decorator of a function ``build(builder, *arguments)`` that emits the instructions. Arrays are
    passed as structures with the fields ``data`` (pointer) and ``nitems``, tuples of arrays as
    lists of them. It returns None, a value, or a list of values for a tuple.
    """
    type_callable(function)(lambda _context: typer)

    def decorate(build: Callable[..., Any]) -> Callable[..., Any]:
        @lower_builtin(function, types.VarArg(types.Any))  # type: ignore[untyped-decorator]
        def implementation(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def unpacked(kind: Any, value: Any) -> Any:
                if isinstance(kind, types.Array):
                    return context.make_array(kind)(context, builder, value)
                if isinstance(kind, types.BaseTuple):
                    kinds: Any = kind
                    values = (builder.extract_value(value, i) for i in range(len(kinds)))
                    return [unpacked(*one) for one in zip(kinds, values, strict=True)]
                return value

            given = zip(signature.args, arguments, strict=True)
            result = build(builder, *(unpacked(*one) for one in given))
            if result is None:
                return context.get_dummy_value()
            if isinstance(result, list):
                return context.make_tuple(builder, signature.return_type, result)
            return result

        return build

    return decorate


def vector(element: Any, lanes: int) -> Any:
    """Name the type of a vector."""
    return ir.VectorType(element, lanes)


def load(builder: Any, data: Any, at: Any, kind: Any) -> Any:
    """Read a vector that begins with an element of an array, at any address."""
    place = builder.bitcast(builder.gep(data, [at]), kind.as_pointer())
    return builder.load(place, align=1)


def store(builder: Any, value: Any, data: Any, at: Any) -> None:
    """Write a vector that begins with an element of an array, at any address."""
    place = builder.bitcast(builder.gep(data, [at]), value.type.as_pointer())
    builder.store(value, place, align=1)


def splat(builder: Any, value: Any, lanes: int) -> Any:
    """Fill all lanes of a vector with a value."""
    kind = vector(value.type, lanes)
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(I32, 0))
    zeros = ir.Constant(vector(I32, lanes), [0] * lanes)
    return builder.shuffle_vector(first, undefined, zeros)


def loop(
    builder: Any,
    begin: Any,
    end: Any,
    step: int,
    carried: Sequence[Any],
    body: Callable[[Any, list[Any]], Sequence[Any]],
) -> list[Any]:
    """Emit a loop that carries values from one round to the next.

    Parameters
    ----------
    builder
        Where instructions are appended.
    begin, end, step
        The index begins with `begin`, grows by `step` and stays below `end`.
    carried
        Values at the beginning.
    body
        Called with the index and the carried values, emits the instructions of one round and
        returns the values for the next.

    Returns
    -------
    The carried values after the loop.
    """
    before = builder.block
    head, inside, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(begin.type)
    index.add_incoming(begin, before)
    values = [builder.phi(value.type) for value in carried]
    for phi, value in zip(values, carried, strict=True):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", index, end), inside, after)
    builder.position_at_end(inside)
    following = body(index, values)
    index.add_incoming(builder.add(index, ir.Constant(begin.type, step)), builder.block)
    for phi, value in zip(values, following, strict=True):
        phi.add_incoming(value, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return values
