"""Rows of mica's benchmarks on NumPy, PyTorch or onnxruntime: one request a line of JSON on standard input, one answer
a line.

    python server.py numpy|torch|onnxruntime [THREADS]
    {"kind": "matmul", "m": 512, "n": 1536, "k": 576}

An answer is {"seconds": ...} of one call, the mean of as many as fit in 0.2 seconds after a warm-up, or {"error": ...}.
Inputs are made before the clock starts. Each library has its own default way of waiting for work; between requests the
process waits for its input, and the driver leaves it alone until its threads have gone to sleep.
"""
import json
import os
import signal
import sys
import time

peer = sys.argv[1]
threads = int(sys.argv[2]) if len(sys.argv) > 2 else 2
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(threads)
sys.path.insert(0, os.path.dirname(__file__))


def measure(call):
    """Seconds of one call: call() does the work and returns when it is done."""
    call()
    start = time.perf_counter()
    call()
    count = 1 + int(0.2 / max(time.perf_counter() - start, 1e-7))
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def load():
    if peer == "numpy":
        import with_numpy
        return with_numpy.KINDS
    if peer == "torch":
        import with_torch
        return with_torch.kinds(threads)
    if peer == "onnxruntime":
        import with_onnxruntime
        return with_onnxruntime.kinds(threads)
    sys.exit(f"server.py: no peer {peer!r}")


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    kinds = load()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    last, call = None, None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            if request != last:
                call = None  # free the last row's memory first
                call, last = kinds[request["kind"]](**{k: v for k, v in request.items() if k != "kind"}), request
            answer = {"seconds": measure(call)}
        except Exception as e:  # the row has no figure of this peer; the driver says why
            last = None
            answer = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
