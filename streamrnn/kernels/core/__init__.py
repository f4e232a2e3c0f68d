"""What every kernel stands on: compilation (jit), calls by address (call), registers and matrix products (simd,
linalg), activations, times of the day (calendar), counters as 32-bit words (as_uint32), and where things are.

A place has a name, and a name belongs to a record (record): the tables of a plan (program), a stream's row (layout,
usual), bits and columns of outcomes (outcomes), the arrays that a compiled call is given (arrays). Rejected: integers
of a module, of which the wrong one compiles and is wrong in silence; named tuples and enumerations, which Numba takes
apart at every use, while a record is to it what a module is.
"""
