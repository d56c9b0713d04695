"""Make optim/testdata/schedules.json: learning rates by PyTorch's and transformers' schedulers, step by step.

Usage: python tools/oracle/optim_schedules.py [FOLDER]      (default: optim/testdata)
"""

import json
import math
import pathlib
import sys
import warnings

import torch
from torch.optim import lr_scheduler as lrs
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from encode import versions

warnings.filterwarnings("ignore")  # about an epoch argument that SequentialLR itself passes


def rates(make, base, steps):
    o = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=base)
    s = make(o)
    out = []
    for _ in range(steps):
        out.append(o.param_groups[0]["lr"])
        o.step()
        s.step()
    return out


def warm_cosine(o):
    warm = lrs.LinearLR(o, start_factor=0.1, end_factor=1, total_iters=10)
    return lrs.SequentialLR(o, [warm, lrs.CosineAnnealingLR(o, T_max=30, eta_min=0.01)], milestones=[10])


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "optim/testdata")
    cases = {
        "constant": rates(lambda o: lrs.ConstantLR(o, factor=1), 0.3, 5),
        "linear": rates(lambda o: lrs.LinearLR(o, start_factor=1, end_factor=0.1, total_iters=20), 0.3, 25),
        "cosine": rates(lambda o: lrs.CosineAnnealingLR(o, T_max=40, eta_min=0.01), 0.3, 41),
        "restarts": rates(lambda o: lrs.CosineAnnealingWarmRestarts(o, T_0=10, T_mult=1, eta_min=1e-3), 0.02, 45),
        "growing_restarts": rates(lambda o: lrs.CosineAnnealingWarmRestarts(o, T_0=5, T_mult=2, eta_min=0), 0.02, 80),
        "milestones": rates(lambda o: lrs.MultiStepLR(o, milestones=[4, 8, 9], gamma=0.01), 0.02, 12),
        "warm_cosine": rates(warm_cosine, 0.3, 40),
        "warm_linear": rates(lambda o: get_linear_schedule_with_warmup(o, 7, 30), 0.3, 32),
        "transformers_cosine": rates(lambda o: get_cosine_schedule_with_warmup(o, 7, 30), 0.3, 30),
        # sigmoid_rampup of the released code of Mean Teacher and of ELR, times 0.997
        "ramp": [0.997 * math.exp(-5 * (1 - min(max(s, 0), 40) / 40) ** 2) for s in range(45)],
        # and their other decay of an average, by the update counted from 1
        "growing": [min(1 - 1 / (s + 1), 0.9) for s in range(20)],
    }
    text = json.dumps({"made_by": "tools/oracle/optim_schedules.py", "versions": versions("torch", "transformers"), "cases": cases})
    (folder / "schedules.json").write_text(text + "\n")
    print(f"{len(cases)} schedules {len(text)} bytes")


if __name__ == "__main__":
    main()
