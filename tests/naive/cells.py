"""Recurrent layers: one step forward, and the whole gradient of a sequence with everything computed from the start."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn import spec

Array = NDArray[np.float64]


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


class Elman:
    """h' = tanh(W' x + U' h + b)."""

    @staticmethod
    def unpack(inputs: int, units: int, w: Array) -> list[Array]:
        return cut(w, [(inputs, units), (units, units), (units,)])

    @staticmethod
    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        W, U, b = Elman.unpack(inputs, units, w)
        h = np.tanh(x @ W + state @ U + b)
        return h, (x, state, h)

    @staticmethod
    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        W, U, _ = Elman.unpack(inputs, units, w)
        x, before, h = row
        delta = dstate * (1.0 - h**2)
        return join(np.outer(x, delta), np.outer(before, delta), delta), W @ delta, U @ delta


class Gru:
    """r, z = sigmoid(..); n = tanh(W_n' x + b_n + r (U_n' h + c)); h' = (1 - z) n + z h."""

    @staticmethod
    def unpack(inputs: int, units: int, w: Array) -> list[Array]:
        return cut(w, [(inputs, 3 * units), (units, 3 * units), (3 * units,), (units,)])

    @staticmethod
    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        W, U, b, c = Gru.unpack(inputs, units, w)
        ar, az, an = np.split(x @ W + b, 3)
        ur, uz, un = np.split(state @ U, 3)
        r, z = sigmoid(ar + ur), sigmoid(az + uz)
        m = un + c
        n = np.tanh(an + r * m)
        return (1.0 - z) * n + z * state, (x, state, r, z, n, m)

    @staticmethod
    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        W, U, _, _ = Gru.unpack(inputs, units, w)
        x, before, r, z, n, m = row
        dn = dstate * (1.0 - z) * (1.0 - n**2)
        dz = dstate * (before - n) * z * (1.0 - z)
        dm = dn * r
        dr = dn * m * r * (1.0 - r)
        da, du = np.concatenate([dr, dz, dn]), np.concatenate([dr, dz, dm])
        return join(np.outer(x, da), np.outer(before, du), da, dm), W @ da, U @ du + dstate * z


class Lstm:
    """i, f, o = sigmoid(..); g = tanh(..); c' = f c + i g; h' = o tanh(c')."""

    @staticmethod
    def unpack(inputs: int, units: int, w: Array) -> list[Array]:
        return cut(w, [(inputs, 4 * units), (units, 4 * units), (4 * units,)])

    @staticmethod
    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        W, U, b = Lstm.unpack(inputs, units, w)
        h, c = np.split(state, 2)
        ai, af, ao, ag = np.split(x @ W + h @ U + b, 4)
        i, f, o, g = sigmoid(ai), sigmoid(af), sigmoid(ao), np.tanh(ag)
        cell = f * c + i * g
        return np.concatenate([o * np.tanh(cell), cell]), (x, h, c, i, f, o, g, cell)

    @staticmethod
    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        W, U, _ = Lstm.unpack(inputs, units, w)
        x, h, c, i, f, o, g, cell = row
        dh, dc = np.split(dstate, 2)
        t = np.tanh(cell)
        dcell = dc + dh * o * (1.0 - t**2)
        da = np.concatenate(
            [dcell * g * i * (1 - i), dcell * c * f * (1 - f), dh * t * o * (1 - o), dcell * i * (1 - g**2)]
        )
        return join(np.outer(x, da), np.outer(h, da), da), W @ da, np.concatenate([U @ da, dcell * f])


class Lru:
    """z' = l z + g B' x, l = exp(-exp(nu) + i theta), g = sqrt(1 - |l|^2); the state is Re z, Im z."""

    @staticmethod
    def unpack(inputs: int, units: int, w: Array) -> tuple[Any, ...]:
        B, nu, theta = cut(w, [(inputs, units), (units // 2,), (units // 2,)])
        re, im = np.hsplit(B, 2)
        return re + 1j * im, nu, np.exp(-np.exp(nu) + 1j * theta), np.sqrt(1.0 - np.exp(-2.0 * np.exp(nu)))

    @staticmethod
    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        B, _, factor, g = Lru.unpack(inputs, units, w)
        z = complex_of(state)
        product = x @ B
        return numbers_of(factor * z + g * product), (x, z, product)

    @staticmethod
    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        """With d = dL/dRe z' + i dL/dIm z': every z' = a z contributes conj(z) d to a and conj(a) d to z."""
        B, nu, factor, g = Lru.unpack(inputs, units, w)
        x, z, product = row
        d = complex_of(dstate)
        by_factor, by_g = np.conj(z) * d, np.real(np.conj(product) * d)
        by_exponent = np.conj(factor) * by_factor
        slope_g = np.exp(nu) * np.exp(-2.0 * np.exp(nu)) / g
        dnu = -np.exp(nu) * by_exponent.real + by_g * slope_g
        dB = np.outer(x, g * d)
        dx = (np.conj(B) @ (g * d)).real
        return join(np.hstack([dB.real, dB.imag]), dnu, by_exponent.imag), dx, numbers_of(np.conj(factor) * d)


class GruBefore:
    """r, z = sigmoid(..); n = tanh(W_n' x + U_n' (r h) + b_n); h' = (1 - z) n + z h."""

    @staticmethod
    def unpack(inputs: int, units: int, w: Array) -> list[Array]:
        return cut(w, [(inputs, 2 * units), (inputs, units), (units, 2 * units), (units, units), (3 * units,)])

    @staticmethod
    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        W, V, U, R, b = GruBefore.unpack(inputs, units, w)
        r, z = np.split(sigmoid(x @ W + state @ U + b[: 2 * units]), 2)
        n = np.tanh(x @ V + (r * state) @ R + b[2 * units :])
        return (1.0 - z) * n + z * state, (x, state, r, z, n)

    @staticmethod
    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        W, V, U, R, _ = GruBefore.unpack(inputs, units, w)
        x, before, r, z, n = row
        dn = dstate * (1.0 - z) * (1.0 - n**2)
        dz = dstate * (before - n) * z * (1.0 - z)
        dr = (R @ dn) * before * r * (1.0 - r)
        da = np.concatenate([dr, dz])
        g = join(np.outer(x, da), np.outer(x, dn), np.outer(before, da), np.outer(r * before, dn), da, dn)
        return g, W @ da + V @ dn, dstate * z + (R @ dn) * r + U @ da


class Peephole:
    """LSTM; i and f also see c, o sees c'."""

    @staticmethod
    def unpack(inputs: int, units: int, w: Array) -> list[Array]:
        return cut(w, [(inputs, 4 * units), (units, 4 * units), (4 * units,), (units,), (units,), (units,)])

    @staticmethod
    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        W, U, b, pi, pf, po = Peephole.unpack(inputs, units, w)
        h, c = np.split(state, 2)
        ai, af, ao, ag = np.split(x @ W + h @ U + b, 4)
        i, f, g = sigmoid(ai + pi * c), sigmoid(af + pf * c), np.tanh(ag)
        cell = f * c + i * g
        o = sigmoid(ao + po * cell)
        return np.concatenate([o * np.tanh(cell), cell]), (x, h, c, i, f, o, g, cell)

    @staticmethod
    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        W, U, _, pi, pf, po = Peephole.unpack(inputs, units, w)
        x, h, c, i, f, o, g, cell = row
        dh, dc = np.split(dstate, 2)
        t = np.tanh(cell)
        do = dh * t * o * (1 - o)
        dcell = dc + dh * o * (1.0 - t**2) + do * po
        di, df, dg = dcell * g * i * (1 - i), dcell * c * f * (1 - f), dcell * i * (1 - g**2)
        da = np.concatenate([di, df, do, dg])
        gradient = join(np.outer(x, da), np.outer(h, da), da, di * c, df * c, do * cell)
        return gradient, W @ da, np.concatenate([U @ da, dcell * f + di * pi + df * pf])


def dense(layer: spec.Dense) -> "Twin":
    """h = f(W' x + b)."""
    act, slope = {
        "tanh": (np.tanh, lambda y: 1.0 - y**2),
        "relu": (lambda a: np.maximum(a, 0.0), lambda y: (y > 0).astype(float)),
        "linear": (lambda a: a, np.ones_like),
    }[layer.activation]

    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        W, b = cut(w, [(inputs, units), (units,)])
        y = act(x @ W + b)
        return y, (x, y)

    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        W, _ = cut(w, [(inputs, units), (units,)])
        x, y = row
        d = dstate * slope(y)
        return join(np.outer(x, d), d), W @ d, np.zeros(units)

    return Twin(forward, backward, 1)


def conv(layer: spec.Conv) -> "Twin":
    """h = tanh(sum_k W_k' x[t - k] + b); the state is h and the inputs before."""

    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        W, b = cut(w, [(layer.span, inputs, units), (units,)])
        window = [x, *state[units:].reshape(layer.span - 1, inputs)]
        y = np.tanh(sum((past @ W[k] for k, past in enumerate(window)), b))
        return join(y, *window[:-1]), (x, window, y)

    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        W, _ = cut(w, [(layer.span, inputs, units), (units,)])
        _, window, y = row
        d = dstate[:units] * (1.0 - y**2)
        dwindow = W @ d + np.vstack([dstate[units:].reshape(layer.span - 1, inputs), np.zeros(inputs)])
        return join(*[np.outer(past, d) for past in window], d), dwindow[0], join(np.zeros(units), dwindow[1:])

    return Twin(forward, backward, 1, lambda inputs: (layer.span - 1) * inputs)


def attention(layer: spec.Attention) -> "Twin":
    """The state is h, the inputs before, and how far each of them is there."""
    M = layer.span

    def unpack(inputs: int, units: int, w: Array) -> list[Array]:
        return cut(w, [(inputs, inputs), (M,), (inputs, units), (inputs, units), (units,)])

    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        A, r, V, W, b = unpack(inputs, units, w)
        register, presence = state[units : units + (M - 1) * inputs], state[units + (M - 1) * inputs :]
        window, there = np.vstack([x, register.reshape(M - 1, inputs)]), np.concatenate([[1.0], presence])
        a = there * np.exp(window @ (x @ A) / np.sqrt(inputs) + r)
        a = a / a.sum()
        y = np.tanh(a @ window @ V + x @ W + b)
        return join(y, window[:-1], there[:-1]), (x, window, a, y)

    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        A, _, V, W, _ = unpack(inputs, units, w)
        x, window, a, y = row
        d = dstate[:units] * (1.0 - y**2)
        ds = V @ d
        de = (np.diag(a) - np.outer(a, a)) @ (window @ ds)
        dq = de @ window / np.sqrt(inputs)
        dwindow = np.outer(a, ds) + np.outer(de, x @ A) / np.sqrt(inputs)
        dwindow[:-1] += dstate[units : units + (M - 1) * inputs].reshape(M - 1, inputs)
        dx = dwindow[0] + A @ dq + W @ d
        g = join(np.outer(x, dq), de, np.outer(a @ window, d), np.outer(x, d), d)
        return g, dx, join(np.zeros(units), dwindow[1:], np.zeros(M - 1))

    return Twin(forward, backward, 1, lambda inputs: (M - 1) * (inputs + 1))


def memory(layer: spec.Memory) -> "Twin":
    """The state is h, the unit input before and its presence, keys, values, and how far each of them is there."""
    M = layer.slots

    def unpack(inputs: int, units: int, w: Array) -> list[Array]:
        return cut(w, [(inputs, inputs), (inputs, units), (inputs, units), (units,)])

    def parts(inputs: int, units: int, state: Array) -> list[Array]:
        return cut(state, [(units,), (inputs,), (1,), (M, inputs), (M, inputs), (M,)])

    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        A, V, W, b = unpack(inputs, units, w)
        _, before, there, keys, values, presence = (part.copy() for part in parts(inputs, units, state))
        presence *= 1.0 - 1.0 / 4096
        slot = -1
        if there[0] > 0:
            lengths = np.linalg.norm(keys, axis=1) * np.linalg.norm(before)
            like = np.where(presence > 0, keys @ before, -np.inf)
            slot = int(like.argmax())
            if not like[slot] >= 0.95 * lengths[slot]:
                slot = int(presence.argmin())
            keys[slot], values[slot], presence[slot] = before, x, there[0]
        n = np.sqrt((x**2).mean() + 1e-6)
        e = np.where(presence > 0, keys @ (x / n @ A) / np.sqrt(inputs), -np.inf)
        chosen = np.array([j for j in np.argsort(-e)[:8] if presence[j] > 0], int)
        a = presence[chosen] * np.exp(e[chosen])
        a = a / a.sum()
        y = np.tanh(a @ values[chosen] @ V + x @ W + b)
        return join(y, x / n, np.ones(1), keys, values, presence), (x, n, slot, keys, values, chosen, a, y)

    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        A, V, W, _ = unpack(inputs, units, w)
        x, n, slot, keys, values, chosen, a, y = row
        dh, dunit, _, dkeys, dvalues, _ = (part.copy() for part in parts(inputs, units, dstate))
        d = dh * (1.0 - y**2)
        ds, dx = V @ d, W @ d
        de = (np.diag(a) - np.outer(a, a)) @ (values[chosen] @ ds) / np.sqrt(inputs)
        dq = de @ keys[chosen]
        dkeys[chosen] += np.outer(de, x / n @ A)
        dvalues[chosen] += np.outer(a, ds)
        dbefore = np.zeros(inputs)
        if slot >= 0:
            dbefore, dx = dkeys[slot].copy(), dx + dvalues[slot]
            dkeys[slot], dvalues[slot] = 0.0, 0.0
        dunit += A @ dq
        dx = dx + (np.eye(inputs) / n - np.outer(x, x) / (inputs * n**3)) @ dunit
        g = join(np.outer(x / n, dq), np.outer(a @ values[chosen], d), np.outer(x, d), d)
        return g, dx, join(np.zeros(units), dbefore, np.zeros(1), dkeys, dvalues, np.zeros(M))

    return Twin(forward, backward, 1, lambda inputs: inputs + 1 + M * (2 * inputs + 1))


class Norm:
    """h = g (x - mean) / sd + b."""

    @staticmethod
    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        g, b = np.split(w, 2)
        return g * (x - x.mean()) / np.sqrt(x.var() + 1e-5) + b, (x,)

    @staticmethod
    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        """Through the whole Jacobian of (x - mean) / sd."""
        (x,) = row
        g, _ = np.split(w, 2)
        n, sd, centred = len(x), np.sqrt(x.var() + 1e-5), x - x.mean()
        jacobian = (np.eye(n) - 1.0 / n) / sd - np.outer(centred, centred) / (n * sd**3)
        return join(dstate * centred / sd, dstate), jacobian.T @ (g * dstate), np.zeros(units)


def complex_of(state: Array) -> NDArray[np.complex128]:
    re, im = np.split(state, 2)
    return re + 1j * im


def numbers_of(z: NDArray[np.complex128]) -> Array:
    return np.concatenate([z.real, z.imag])


class Dropout:
    """h = x, as it is lived."""

    @staticmethod
    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        return x.copy(), (x,)

    @staticmethod
    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        return w, dstate, np.zeros(units)


class Embedding:
    """h' = W' x; the state before it counts for nothing."""

    @staticmethod
    def forward(inputs: int, units: int, w: Array, state: Array, x: Array) -> tuple[Array, Any]:
        return x @ w.reshape(inputs, units), (x,)

    @staticmethod
    def backward(inputs: int, units: int, w: Array, row: Any, dstate: Array) -> tuple[Array, Array, Array]:
        return np.outer(row[0], dstate).ravel(), w.reshape(inputs, units) @ dstate, np.zeros(units)


def cut(w: Array, shapes: list[tuple[int, ...]]) -> list[Array]:
    """The flat parameters as matrices."""
    parts, start = [], 0
    for shape in shapes:
        size = int(np.prod(shape))
        parts.append(w[start : start + size].reshape(shape))
        start += size
    return parts


def join(*parts: Array) -> Array:
    return np.concatenate([part.ravel() for part in parts])


class Twin(NamedTuple):
    forward: Callable[..., tuple[Array, Any]]
    backward: Callable[..., tuple[Array, Array, Array]]
    states: int  # numbers of state per unit
    past: Callable[[int], int] = lambda inputs: 0  # and of inputs before


# A twin, or a function that makes one for a layer's own settings.
CELLS: dict[type[Any], Any] = {
    spec.Elman: Twin(Elman.forward, Elman.backward, 1),
    spec.Gru: Twin(Gru.forward, Gru.backward, 1),
    spec.Lstm: Twin(Lstm.forward, Lstm.backward, 2),
    spec.GruBefore: Twin(GruBefore.forward, GruBefore.backward, 1),
    spec.Peephole: Twin(Peephole.forward, Peephole.backward, 2),
    spec.Lru: Twin(Lru.forward, Lru.backward, 1),
    spec.Dense: dense,
    spec.Conv: conv,
    spec.Attention: attention,
    spec.Memory: memory,
    spec.Norm: Twin(Norm.forward, Norm.backward, 1),
    spec.Dropout: Twin(Dropout.forward, Dropout.backward, 1),
    spec.Embedding: Twin(Embedding.forward, Embedding.backward, 1),
}


def twin_of(kind: Any) -> Twin:
    """The twin of a layer, or of a kind at its default settings."""
    layer = kind() if isinstance(kind, type) else kind
    found = CELLS[type(layer)]
    twin: Twin = found if isinstance(found, Twin) else found(layer)
    return twin


def empty(kind: Any, inputs: int, units: int) -> Array:
    """The state at the start."""
    return np.zeros(twin_of(kind).states * units + twin_of(kind).past(inputs))


def run(kind: Any, units: int, w: Array, xs: Array, keep: Array, state: Array) -> tuple[Array, list[Any]]:
    """A sequence xs (C, I) from `state`; keep (C) is what the state is multiplied with first. Outputs (C, H), rows."""
    outputs, rows, twin = [], [], twin_of(kind)
    for x, kept in zip(xs, keep, strict=True):
        state, row = twin.forward(xs.shape[1], units, w, state * kept, x)
        outputs.append(state[:units])
        rows.append(row)
    return np.array(outputs), rows


def back(kind: Any, units: int, w: Array, rows: list[Any], keep: Array, dys: Array) -> tuple[Array, Array]:
    """Full BPTT over all of `rows`, dys (C, H) at their outputs: gradient by w, and by every input (C, I)."""
    inputs = len(rows[0][0])
    twin = twin_of(kind)
    dstate, g, dxs = empty(kind, inputs, units), np.zeros_like(w), np.zeros((len(rows), inputs))
    for t in reversed(range(len(rows))):
        dstate[:units] += dys[t]
        dw, dxs[t], dstate = twin.backward(inputs, units, w, rows[t], dstate)
        g += dw
        dstate = dstate * keep[t]
    return g, dxs
