"""An int64 row seen as 32-bit words: how context tables lie in the plane of counters."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def words(typingctx, pointer):
    """The same place in memory, seen as unsigned 32-bit numbers: two to an int64."""

    def codegen(context, builder, signature, values):
        return builder.bitcast(values[0], ir.IntType(32).as_pointer())

    return types.CPointer(types.uint32)(pointer), codegen
