"""Coefficients of internal/kernel/act's twicePhi: minimax fits of erf and erfc.

    python3 erf.py

prints erfSmall and erfcLarge, highest power first, rounded to float32, and the
largest errors of the fits before that rounding. Python 3.11, NumPy 2.4.6.
"""

import math

import numpy as np

CUT, END = 0.9277, 9.4


def fit(basis, y, weight, rounds=300):
    """Least squares, reweighted until the largest errors are alike (Lawson)."""
    lawson = np.ones_like(y)
    for _ in range(rounds):
        w = weight * np.sqrt(lawson)
        c = np.linalg.lstsq(basis * w[:, None], y * w, rcond=None)[0]
        e = np.abs((basis @ c - y) * weight)
        lawson *= e / e.max() + 1e-3
        lawson /= lawson.mean()
    return c, e.max()


def show(name, c, note):
    print(name, [float(np.float32(v)) for v in c[::-1]], note)


# erf(a) = a + a*p(a*a), relative to erf.
a = CUT * np.cos(np.linspace(0, np.pi / 2, 3000))[:-1]
y = np.array([math.erf(v) / v for v in a]) - 1
c, e = fit(np.stack([a ** (2 * i) for i in range(6)], 1), y, 1 / (1 + y))
show("erfSmall", c, f"relative error {e:.1e}")

# erfc(b) = exp(-b + b*p(b)). An error of the exponent is a relative one of erfc;
# it counts as much as erfc does, and in the tail 1e-4 at least.
b = CUT - 0.01 + (END - CUT) * (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 6000)))
erfc = np.array([math.erfc(v) for v in b])
y = (np.log(erfc) + b) / b
c, e = fit(np.stack([b**i for i in range(9)], 1), y, b * (erfc + 1e-4))
rel = np.abs(np.stack([b**i for i in range(9)], 1) @ c - y) * b
show("erfcLarge", c, f"error {(rel * erfc).max():.1e}, relative {rel[b < 3.6].max():.1e} to 3.6, {rel.max():.1e} to {END}")
