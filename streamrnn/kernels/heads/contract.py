"""The signature of the head family. A head reads the N outputs that a target has at one horizon.

grad(n, o, y, d, reals, loss)
    A label has come: o (N) as it was issued, y the target; writes the gradient of the loss by o into d (N), and the
    loss itself (in nats where it is a likelihood) into loss (1). What has not arrived is masked by never being called.
read(n, o, reals, f)
    The point forecast that the outputs mean, into f (1).
innovate(n, o, y, noise, reals, out)
    For the filter of learning/ekf_learn.py: error of the first output as if it were measured, and the variance of that
    measurement, into out (2); `noise` is the running variance of what the weights cannot explain. With the score s and
    the information I of the head's likelihood they are s / I and 1 / I (West, Harrison, Migon 1985).

reals are the head's own settings. A residual head sees the target as error of the mix over its usual error; an
absolute one sees it as it is.
"""

from numba import types

from streamrnn.kernels.core.jit import family

_REALS = types.CPointer(types.float64)


def _grad(real):
    p = types.CPointer(real)
    return types.void(types.int64, p, types.float64, p, _REALS, _REALS)


def _read(real):
    return types.void(types.int64, types.CPointer(real), _REALS, _REALS)


grad_part = family(_grad)
read_part = family(_read)


def _innovate(real):
    return types.void(types.int64, types.CPointer(real), types.float64, types.float64, _REALS, _REALS)


innovate_part = family(_innovate)
