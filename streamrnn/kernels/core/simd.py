"""Registers, written straight into LLVM's language, for the two things that no loop Numba can be given does well.

    tile(rows, vectors, ways)   C += A' B over K steps, C a tile of rows x (vectors * lanes) sums in registers; `ways`
                                partial sums a place hide the latency of a multiply-add in small tiles. LLVM's
                                vectoriser adds to memory: it loads and stores the output once for every four inputs.
    dots                        `lanes` dot products at once, then one transposing reduction of their sums
    sweep                       one pass over the lower halves of GROUPS symmetric matrices side by side
    each(formula)               an elementwise formula over arrays. LLVM's vectoriser begins at 32 numbers and gives up
                                on more than a few arrays; it did a layer of 16 units number by number, twice as slow.

Lanes are the numbers that fit a vector register of this CPU. Pointers and steps are counted in numbers; nothing is
checked and nothing allocated. The order of the additions depends on the CPU's registers alone.

Rejected: a transposed copy of U for the way back, which would turn its dot products into tiles. A quarter quicker
there, and all of it lost to transposing when every observation moves the weights. LLVM's options for the vectoriser:
they hold for the whole process, and a version that does not know one ends it.
"""

import inspect
from collections.abc import Callable

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

INDEX, LANE = ir.IntType(64), ir.IntType(32)
FLAGS = ("reassoc", "contract", "arcp", "nsz")  # as in jit.py


def _register() -> int:
    """Bytes of a vector register."""
    features = binding.get_host_cpu_features()
    return 64 if features.get("avx512f") else 32 if features.get("avx") else 16


REGISTER = _register()


@intrinsic
def lanes(typingctx, array):
    """How many of the array's numbers a register holds."""

    def codegen(context, builder, signature, values):
        return context.get_constant(types.intp, REGISTER * 8 // signature.args[0].dtype.bitwidth)

    return types.intp(array), codegen


class Emit:
    """The instructions of a kernel over one type of numbers, in a part of a register: 1 the whole, 2 a half."""

    def __init__(self, context, builder, real, part: int = 1) -> None:
        self.builder = builder
        self.real = context.get_value_type(real)
        self.size = real.bitwidth // 8
        self.lanes = max(1, REGISTER // self.size // part)
        self.vector = ir.VectorType(self.real, self.lanes)

    def at(self, pointer, *offsets):
        """The pointer moved on by numbers."""
        for offset in offsets:
            pointer = self.builder.gep(pointer, [offset], source_etype=self.real)
        return pointer

    def load(self, pointer):
        pointer = self.builder.bitcast(pointer, self.vector.as_pointer())
        return self.builder.load(pointer, align=self.size, typ=self.vector)

    def store(self, value, pointer) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.size)

    def spread(self, pointer):
        """One number in every lane."""
        blank = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(blank, self.builder.load(pointer, typ=self.real), LANE(0))
        return self.shuffle(first, first, [0] * self.lanes)

    def shuffle(self, a, b, places):
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(LANE, self.lanes), places))

    def add(self, a, b):
        return self.builder.fadd(a, b, flags=FLAGS)

    def more(self, sums, a, b) -> None:
        """sums += a b."""
        total = self.builder.load(sums, typ=self.vector)
        self.builder.store(self.add(total, self.builder.fmul(a, b, flags=FLAGS)), sums)

    def sums(self, count):
        """Registers of zeros; LLVM takes them out of memory."""
        places = [cgutils.alloca_once(self.builder, self.vector) for _ in range(count)]
        for place in places:
            self.builder.store(ir.Constant(self.vector, [0.0] * self.lanes), place)
        return places

    def value(self, places):
        """Sum of some registers."""
        total = self.builder.load(places[0], typ=self.vector)
        for place in places[1:]:
            total = self.add(total, self.builder.load(place, typ=self.vector))
        return total

    def transposed(self, values):
        """One register whose lane i is the sum of the lanes of register i: halves as many registers at each level."""
        span = 1
        while len(values) > 1:
            low = [i if i // span % 2 == 0 else self.lanes + i - span for i in range(self.lanes)]
            high = [i + span if i // span % 2 == 0 else self.lanes + i for i in range(self.lanes)]
            pairs = [(values[i], values[i + 1]) for i in range(0, len(values), 2)]
            values = [self.add(self.shuffle(a, b, low), self.shuffle(a, b, high)) for a, b in pairs]
            span *= 2
        return values[0]


class Value:
    """A number or a register of them in a formula."""

    def __init__(self, builder, value) -> None:
        self.builder, self.value = builder, value

    def _like(self, other):
        """A constant of this type, or the value that `other` already is."""
        if isinstance(other, Value):
            return other.value
        many = isinstance(self.value.type, ir.VectorType)
        return ir.Constant(self.value.type, [float(other)] * self.value.type.count if many else float(other))

    def _with(self, make, left, right):
        return Value(self.builder, make(left, right, flags=FLAGS))

    def __add__(self, other):
        return self._with(self.builder.fadd, self.value, self._like(other))

    def __sub__(self, other):
        return self._with(self.builder.fsub, self.value, self._like(other))

    def __rsub__(self, other):
        return self._with(self.builder.fsub, self._like(other), self.value)

    def __mul__(self, other):
        return self._with(self.builder.fmul, self.value, self._like(other))

    def __truediv__(self, other):
        return self._with(self.builder.fdiv, self.value, self._like(other))

    __radd__, __rmul__ = __add__, __mul__

    def within(self, limit: float):
        """Cut to +-limit; NaN stays."""
        high, low = self._like(limit), self._like(-limit)
        x = self.builder.select(self.builder.fcmp_ordered(">", self.value, high), high, self.value)
        return Value(self.builder, self.builder.select(self.builder.fcmp_ordered("<", x, low), low, x))


def each(formula: Callable) -> Callable:
    """A kernel (n, inputs ..., outputs ...) of pointers: outputs[i] = formula(inputs[i]) for i < n, the formula written
    with + - * / on its arguments. Whole registers first, then a half, then one by one. An output may be an input."""
    count = len(inspect.signature(formula).parameters)

    @intrinsic
    def kernel(typingctx, n, *pointers):
        def codegen(context, builder, signature, values):
            n, places = values[0], cgutils.unpack_tuple(builder, values[1])
            real = signature.args[1].types[0].dtype
            emit = Emit(context, builder, real)

            def apply(at, load, store):
                moved = [emit.at(place, at) for place in places]
                found = formula(*(Value(builder, load(place)) for place in moved[:count]))
                found = found if isinstance(found, tuple) else (found,)
                for value, place in zip(found, moved[count:], strict=True):
                    store(value.value, place)

            done = INDEX(0)
            for some in (emit, Emit(context, builder, real, 2)):
                blocks = builder.udiv(builder.sub(n, done), INDEX(some.lanes))
                with cgutils.for_range(builder, blocks) as loop:
                    apply(builder.add(done, builder.mul(loop.index, INDEX(some.lanes))), some.load, some.store)
                done = builder.add(done, builder.mul(blocks, INDEX(some.lanes)))
            with cgutils.for_range(builder, n, start=done) as loop:
                apply(loop.index, lambda place: builder.load(place, typ=emit.real), builder.store)
            return context.get_dummy_value()

        return types.void(types.intp, types.StarArgTuple(pointers)), codegen

    return kernel


def tile(rows: int, vectors: int, ways: int, part: int = 1) -> Callable:
    """A kernel (K, A, a_step, a_next, B, b_step, C, c_next): C[r c_next + j] += sum_k A[k a_step + r a_next]
    B[k b_step + j] for rows r and j < vectors * lanes, of a part of a register each."""

    @intrinsic
    def kernel(typingctx, K, A, a_step, a_next, B, b_step, C, c_next):
        def codegen(context, builder, signature, values):
            steps, a, a_step, a_next, b, b_step, c, c_next = values
            emit = Emit(context, builder, signature.args[1].dtype, part)
            sums = [emit.sums(rows * vectors) for _ in range(ways)]

            def step(k, way):
                loaded = emit.at(b, builder.mul(k, b_step))
                lines = [emit.load(emit.at(loaded, INDEX(v * emit.lanes))) for v in range(vectors)]
                for r in range(rows):
                    x = emit.spread(emit.at(a, builder.mul(k, a_step), builder.mul(INDEX(r), a_next)))
                    for v in range(vectors):
                        emit.more(sums[way][r * vectors + v], x, lines[v])

            whole = builder.udiv(steps, INDEX(ways))
            with cgutils.for_range(builder, whole) as loop:
                for way in range(ways):
                    step(builder.add(builder.mul(loop.index, INDEX(ways)), INDEX(way)), way)
            if ways > 1:
                with cgutils.for_range(builder, steps, start=builder.mul(whole, INDEX(ways))) as loop:
                    step(loop.index, 0)
            for r in range(rows):
                for v in range(vectors):
                    place = emit.at(c, builder.mul(INDEX(r), c_next), INDEX(v * emit.lanes))
                    total = emit.value([way[r * vectors + v] for way in sums])
                    emit.store(emit.add(emit.load(place), total), place)
            return context.get_dummy_value()

        step = types.intp
        return types.void(step, A, step, step, B, step, C, step), codegen

    return kernel


def transposing(part: int) -> Callable:
    """A kernel (count, W, w_next, d, y): y[i] += sum_j W[i w_next + j] d[j] for i < lanes and j < count * lanes, lanes
    those of a part of a register."""

    @intrinsic
    def kernel(typingctx, count, W, w_next, d, y):
        def codegen(context, builder, signature, values):
            count, w, w_next, d, y = values
            emit = Emit(context, builder, signature.args[1].dtype, part)
            sums = emit.sums(emit.lanes)
            with cgutils.for_range(builder, count) as loop:
                j = builder.mul(loop.index, INDEX(emit.lanes))
                line = emit.load(emit.at(d, j))
                for i in range(emit.lanes):
                    emit.more(sums[i], emit.load(emit.at(w, builder.mul(INDEX(i), w_next), j)), line)
            total = emit.transposed([emit.value([place]) for place in sums])
            emit.store(emit.add(emit.load(y), total), y)
            return context.get_dummy_value()

        return types.void(types.intp, W, types.intp, d, y), codegen

    return kernel


dots, dots_half = transposing(1), transposing(2)

GROUPS = 8  # symmetric matrices side by side in a sweep: a number of the stored layout, whatever the CPU's lanes
TOGETHER = 4  # rows of them at once: what belongs to a column is loaded once for all
PAIR = 2  # columns at once, which fill the registers of AVX-512


class Sweep:
    """The instructions of a sweep: values of GROUPS matrices side by side, of one column or of PAIR columns at once;
    places counted in columns."""

    def __init__(self, context, builder, real, values) -> None:
        self.one, self.pair = (self.of(Emit(context, builder, real), GROUPS * many) for many in (1, PAIR))
        self.builder = builder
        _, self.P, self.c, self.x, self.y, noise, most = values
        self.noise, self.most = self.constant(noise), self.constant(most)
        self.totals = self.one.sums(TOGETHER)
        self.pairs = self.pair.sums(TOGETHER)

    @staticmethod
    def of(emit, lanes):
        emit.lanes, emit.vector = lanes, ir.VectorType(emit.real, lanes)
        return emit

    def constant(self, number):
        """A float64 in every lane."""
        number = self.builder.fptrunc(number, self.one.real) if self.one.size < 8 else number
        blank = self.builder.insert_element(ir.Constant(self.one.vector, ir.Undefined), number, LANE(0))
        return self.one.shuffle(blank, blank, [0] * GROUPS)

    def lanes(self, value, places):
        """Some lanes of a value."""
        mask = ir.Constant(ir.VectorType(LANE, len(places)), places)
        return self.builder.shuffle_vector(value, value, mask)

    def place(self, pointer, i):
        return self.one.at(pointer, self.builder.mul(i, INDEX(GROUPS)))

    def read(self, pointer, i):
        return self.one.load(self.place(pointer, i))

    def correct(self, emit, place, a, b, diagonal=False):
        """The element at `place` less a b, stored and returned; with the noise, where it is a small variance."""
        value = self.builder.fsub(emit.load(place), self.builder.fmul(a, b, flags=FLAGS), flags=FLAGS)
        if diagonal:
            small = self.builder.fcmp_ordered("<", value, self.most)
            value = self.builder.select(small, emit.add(value, self.noise), value)
        emit.store(value, place)
        return value

    def columns(self, emit, j, begins, c, x, totals) -> None:
        """What stands left of the diagonal in some rows, in the columns from j on that a value of `emit` holds."""
        cj, xj = (emit.load(self.place(pointer, j)) for pointer in (self.c, self.x))
        at_y = self.place(self.y, j)
        column = emit.load(at_y)
        for r, begin in enumerate(begins):
            value = self.correct(emit, self.place(begin, j), c[r], cj)
            emit.more(totals[r], value, xj)
            column = emit.add(column, self.builder.fmul(value, x[r], flags=FLAGS))
        emit.store(column, at_y)

    def left(self, i, begins, c, x) -> None:
        """All columns left of the diagonal block: PAIR by PAIR, and the last one if their number is odd."""
        twice = [[self.lanes(value, [*range(GROUPS)] * PAIR) for value in values] for values in (c, x)]
        for r in range(len(begins)):
            self.builder.store(ir.Constant(self.pair.vector, [0.0] * self.pair.lanes), self.pairs[r])
        whole = self.builder.udiv(i, INDEX(PAIR))
        with cgutils.for_range(self.builder, whole) as loop:
            self.columns(self.pair, self.builder.mul(loop.index, INDEX(PAIR)), begins, *twice, self.pairs)
        for r in range(len(begins)):
            total = self.builder.load(self.pairs[r], typ=self.pair.vector)
            halves = [self.lanes(total, [*range(part * GROUPS, (part + 1) * GROUPS)]) for part in range(PAIR)]
            self.builder.store(self.one.add(*halves), self.totals[r])
        with cgutils.for_range(self.builder, i, start=self.builder.mul(whole, INDEX(PAIR))) as loop:
            self.columns(self.one, loop.index, begins, c, x, self.totals)

    def rows(self, i, count: int) -> None:
        """Rows i .. i + count - 1."""
        builder = self.builder
        lines = [builder.add(i, INDEX(r)) for r in range(count)]
        c, x = ([self.read(pointer, line) for line in lines] for pointer in (self.c, self.x))
        starts = [builder.udiv(builder.mul(line, builder.add(line, INDEX(1))), INDEX(2)) for line in lines]
        begins = [self.place(self.P, start) for start in starts]
        self.left(i, begins, c, x)
        for r in range(count):
            for s in range(r + 1):
                value = self.correct(self.one, self.place(begins[r], lines[s]), c[r], c[s], s == r)
                self.one.more(self.totals[r], value, x[s])
                if s < r:
                    self.one.more(self.totals[s], value, x[r])
        for r in range(count):
            self.one.store(builder.load(self.totals[r], typ=self.one.vector), self.place(self.y, lines[r]))


@intrinsic
def sweep(typingctx, n, P, c, x, y, noise, most):
    """P <- P - c c', + noise on the variances below `most`, then y = P x, for GROUPS symmetric matrices at once.

    P (n (n + 1) / 2, GROUPS) holds the lower halves row by row; c, x and y (n, GROUPS). Every element is loaded and
    stored once, and serves both its row and its column.
    """

    def codegen(context, builder, signature, values):
        made = Sweep(context, builder, signature.args[1].dtype, values)
        whole = builder.udiv(values[0], INDEX(TOGETHER))
        with cgutils.for_range(builder, whole) as loop:
            made.rows(builder.mul(loop.index, INDEX(TOGETHER)), TOGETHER)
        with cgutils.for_range(builder, values[0], start=builder.mul(whole, INDEX(TOGETHER))) as loop:
            made.rows(loop.index, 1)
        return context.get_dummy_value()

    return types.void(types.intp, P, P, P, P, types.float64, types.float64), codegen


copy = each(lambda x: x)  # (n, from, to)
