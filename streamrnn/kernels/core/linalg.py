"""Matrix primitives for one sample, over contiguous views; matrices are input-major (I, O).

Whole registers of outputs go through the tiles of simd.py, widest first, and then half a register; what is left over
goes through plain loops.
"""

from streamrnn.kernels.core import simd
from streamrnn.kernels.core.call import at
from streamrnn.kernels.core.jit import jit

row8, row4, row2, row1 = simd.tile(1, 8, 1), simd.tile(1, 4, 2), simd.tile(1, 2, 4), simd.tile(1, 1, 4)
square3, square2, square1 = simd.tile(4, 3, 1), simd.tile(4, 2, 1), simd.tile(4, 1, 2)
row_half, square_half = simd.tile(1, 1, 4, 2), simd.tile(4, 1, 2, 2)


@jit
def combine(K, A, step, B, y):
    """y += sum_k A[k step] B[k], A a pointer, B (K, O), y (O)."""
    m = len(y)
    L = simd.lanes(y)
    j = 0
    while j + 8 * L <= m:
        row8(K, A, step, 0, at(B, j), m, at(y, j), 0)
        j += 8 * L
    if j + 4 * L <= m:
        row4(K, A, step, 0, at(B, j), m, at(y, j), 0)
        j += 4 * L
    if j + 2 * L <= m:
        row2(K, A, step, 0, at(B, j), m, at(y, j), 0)
        j += 2 * L
    if j + L <= m:
        row1(K, A, step, 0, at(B, j), m, at(y, j), 0)
        j += L
    half = max(1, L // 2)
    if j + half <= m:
        row_half(K, A, step, 0, at(B, j), m, at(y, j), 0)
        j += half
    if j < m:
        for k in range(K):
            a, b = A[k * step], B[k]
            for i in range(j, m):
                y[i] += a * b[i]


@jit
def matvec(W, x, y):
    """y += W' x, W (I, O), x (I), y (O)."""
    combine(len(x), at(x, 0), 1, W, y)


@jit
def dots(W, d, y):
    """y += W d, W (I, O), d (O), y (I): a register of dot products at once, then half a register."""
    n, m = W.shape
    L = simd.lanes(y)
    half, i = max(1, L // 2), 0
    while i + L <= n:
        simd.dots(m // L, at(W, i * m), m, at(d, 0), at(y, i))
        rest(W, d, y, i, i + L, m // L * L)
        i += L
    while i + half <= n:
        simd.dots_half(m // half, at(W, i * m), m, at(d, 0), at(y, i))
        rest(W, d, y, i, i + half, m // half * half)
        i += half
    rest(W, d, y, i, n, 0)


@jit
def rest(W, d, y, first, last, start):
    """The same for rows first..last-1 and columns from `start` on, one by one."""
    m = W.shape[1]
    for r in range(first, last if start < m else first):
        w, s = W[r], W.dtype.type(0)
        for j in range(start, m):
            s += w[j] * d[j]
        y[r] += s


@jit
def fold(X, D, G):
    """G += X' D, X (K, I), D (K, O), G (I, O): the tape's gradients as one product of rank K, four inputs at once."""
    K, n = X.shape
    m = D.shape[1]
    L = simd.lanes(G)
    half, i = max(1, L // 2), 0
    while i + 4 <= n:
        j = 0
        while j + 3 * L <= m:
            square3(K, at(X, i), n, 1, at(D, j), m, at(G, i * m + j), m)
            j += 3 * L
        if j + 2 * L <= m:
            square2(K, at(X, i), n, 1, at(D, j), m, at(G, i * m + j), m)
            j += 2 * L
        if j + L <= m:
            square1(K, at(X, i), n, 1, at(D, j), m, at(G, i * m + j), m)
            j += L
        if j + half <= m:
            square_half(K, at(X, i), n, 1, at(D, j), m, at(G, i * m + j), m)
            j += half
        for r in range(i, i + 4):
            for c in range(j, m):
                for k in range(K):
                    G[r, c] += X[k, r] * D[k, c]
        i += 4
    for r in range(i, n):
        combine(K, at(X, r), n, D, G[r])


@jit
def sums(D, g):
    """g += sum over rows of D (K, O)."""
    rows, m = D.shape
    for k in range(rows):
        d = D[k]
        for j in range(m):
            g[j] += d[j]
