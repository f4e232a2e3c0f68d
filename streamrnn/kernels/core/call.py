"""How a plan's row calls its part: by address, through the family's C signature. 6 ns a call.

Rejected: one switch per family. It cost 125 ns a call, and every caller compiled every part again.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def call(typingctx, address, *arguments):
    """Call the C function at `address` with `arguments`, which are pointers and scalars; it returns nothing.

    Scalars of all families are int64 or float64: a float32 becomes one, as in C nothing would tell the two apart.
    """
    signature = types.void(address, types.StarArgTuple(arguments))

    def codegen(context, builder, signature, values):
        unpacked = cgutils.unpack_tuple(builder, values[1])
        double = ir.DoubleType()
        unpacked = [builder.fpext(each, double) if each.type == ir.FloatType() else each for each in unpacked]
        function = ir.FunctionType(ir.VoidType(), [value.type for value in unpacked])
        builder.call(builder.inttoptr(values[0], function.as_pointer()), unpacked)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def at(typingctx, array, offset):
    """Pointer to element `offset` of a contiguous array."""

    def codegen(context, builder, signature, values):
        struct = context.make_array(signature.args[0])(context, builder, values[0])
        return builder.gep(struct.data, [values[1]])

    return types.CPointer(array.dtype)(array, types.intp), codegen


@intrinsic
def point(typingctx, address, array):
    """Pointer to `address`, of the type of the array's numbers."""

    def codegen(context, builder, signature, values):
        return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

    return types.CPointer(array.dtype)(address, array), codegen


@intrinsic
def shift(typingctx, pointer, offset):
    """The pointer `offset` elements on."""

    def codegen(context, builder, signature, values):
        return builder.gep(values[0], [values[1]])

    return pointer(pointer, types.intp), codegen
