"""Matrix primitives for one sample, over contiguous views; matrices are input-major (I, O).

Each is blocked by hand so that one pass over the output does four or eight multiply-adds per load and store of it,
and indexed by the loop variable alone: an index that is a sum defeats the vectoriser (negative wrap-around check).
"""

from streamrnn.kernels.jit import jit


@jit
def matvec(W, x, y):
    """y += W' x, W (I, O), x (I), y (O): four inputs a pass."""
    n, m = W.shape
    blocks = n // 4
    for b in range(blocks):
        i = 4 * b
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        w0, w1, w2, w3 = W[i], W[i + 1], W[i + 2], W[i + 3]
        for j in range(m):
            y[j] += (x0 * w0[j] + x1 * w1[j]) + (x2 * w2[j] + x3 * w3[j])
    for i in range(4 * blocks, n):
        xi = x[i]
        wi = W[i]
        for j in range(m):
            y[j] += xi * wi[j]


@jit
def dots(W, d, y):
    """y += W d, W (I, O), d (O), y (I): four dot products at once."""
    n, m = W.shape
    zero = W.dtype.type(0)
    blocks = n // 4
    for b in range(blocks):
        i = 4 * b
        w0, w1, w2, w3 = W[i], W[i + 1], W[i + 2], W[i + 3]
        s0, s1, s2, s3 = zero, zero, zero, zero
        for j in range(m):
            s0 += w0[j] * d[j]
            s1 += w1[j] * d[j]
            s2 += w2[j] * d[j]
            s3 += w3[j] * d[j]
        y[i] += s0
        y[i + 1] += s1
        y[i + 2] += s2
        y[i + 3] += s3
    for i in range(4 * blocks, n):
        wi = W[i]
        s0 = zero
        for j in range(m):
            s0 += wi[j] * d[j]
        y[i] += s0


@jit
def fold(X, D, G):
    """G += X' D, X (K, I), D (K, O), G (I, O): the tape's gradients as one product of rank K, eight rows a pass."""
    rows, n = X.shape
    m = D.shape[1]
    blocks = rows // 8
    for b in range(blocks):
        k = 8 * b
        d0, d1, d2, d3 = D[k], D[k + 1], D[k + 2], D[k + 3]
        d4, d5, d6, d7 = D[k + 4], D[k + 5], D[k + 6], D[k + 7]
        for i in range(n):
            g = G[i]
            x0, x1, x2, x3 = X[k, i], X[k + 1, i], X[k + 2, i], X[k + 3, i]
            x4, x5, x6, x7 = X[k + 4, i], X[k + 5, i], X[k + 6, i], X[k + 7, i]
            for j in range(m):
                g[j] += ((x0 * d0[j] + x1 * d1[j]) + (x2 * d2[j] + x3 * d3[j])) + (
                    (x4 * d4[j] + x5 * d5[j]) + (x6 * d6[j] + x7 * d7[j])
                )
    for k in range(8 * blocks, rows):
        d = D[k]
        for i in range(n):
            g = G[i]
            x0 = X[k, i]
            for j in range(m):
                g[j] += x0 * d[j]


@jit
def sums(D, g):
    """g += sum over rows of D (K, O)."""
    rows, m = D.shape
    for k in range(rows):
        d = D[k]
        for j in range(m):
            g[j] += d[j]
