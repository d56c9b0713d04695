"""NumPy, whose products are OpenBLAS's."""
import numpy as np

rng = np.random.default_rng(0)


def array(*shape):
    return rng.standard_normal(shape, dtype=np.float32)


def matmul(m, n, k):
    x, w, y = array(m, k), array(n, k), np.empty((m, n), np.float32)
    return lambda: np.matmul(x, w.T, out=y)


def softmax(rows, width):
    x = array(rows, width)

    def call():
        e = np.exp(x - x.max(axis=1, keepdims=True))
        e /= e.sum(axis=1, keepdims=True)
        return e
    return call


KINDS = {"matmul": matmul, "softmax": softmax}
