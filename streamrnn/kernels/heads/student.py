"""Student-t head: location and log scale of the standardised target, by the likelihood of a t with heavy tails.

    -ln t(y; location, s) = ln G(k/2) - ln G((k+1)/2) + ln(k pi)/2 + ln s + (k+1)/2 ln(1 + u^2/k),  u = (y - location)/s

k degrees of freedom are a setting, not learned: their gradient lives on the few observations in the tail, and the
intervals are calibrated behind the head anyway, so k only says how soon an error counts as an outlier. Beyond sqrt(k)
scales the pull on the location falls again (Lange, Little, Taylor 1989): nothing has to be clipped but the log scale.
"""

import math

from numba import carray

from streamrnn.kernels.heads.contract import grad_part, innovate_part, read_part

BOUND = 4.0  # of the log scale


@grad_part
def grad(n, o, y, d, reals, loss):
    """d location = -(k+1) u / (k + u^2) / s, d log s = 1 - (k+1) u^2 / (k + u^2). Outputs: location, log s."""
    out, g = carray(o, 2), carray(d, 2)
    k = reals[0]
    log = min(max(float(out[1]), -BOUND), BOUND)
    s = math.exp(log)
    u = (y - float(out[0])) / s
    constant = math.lgamma(0.5 * k) - math.lgamma(0.5 * (k + 1.0)) + 0.5 * math.log(k * math.pi)
    loss[0] = constant + log + 0.5 * (k + 1.0) * math.log1p(u * u / k)
    weight = (k + 1.0) / (k + u * u)
    g[0] = -weight * u / s
    pull = 1.0 - (k + 1.0) * (1.0 - k / (k + u * u))
    outward = (log <= -BOUND and pull > 0) or (log >= BOUND and pull < 0)
    g[1] = 0.0 if outward else pull


@read_part
def read(n, o, reals, f):
    """The location."""
    f[0] = o[0]


@innovate_part
def innovate(n, o, y, noise, reals, out):
    """y - location; a residual u deviations off is measured as if with (k + u^2) / (k + 1) times the variance.

    One step of iteratively reweighted least squares (Lange, Little, Taylor 1989, eq. 3).
    """
    e, k = y - float(o[0]), reals[0]
    out[0], out[1] = e, (k * noise + e * e) / (k + 1.0)
