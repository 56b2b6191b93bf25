"""Eager against compiled: the largest difference of any parameter after 20 updates, draws included, in float32.

python -m tests.benchmarks.agreement
"""

from __future__ import annotations

import torch

from tests.programs import declared
from tests.programs.running import distance, run, tensors

PROGRAMS = {"own loss": declared.own_loss, "PPO": declared.ppo, "SAC": declared.soft_actor_critic}


def main() -> None:
    torch.set_num_threads(1)
    for name, make in PROGRAMS.items():
        eager, compiled = run(make, "eager", 20), run(make, "inductor", 20)
        print(f"{name:10} {distance(tensors(eager[0].modules), tensors(compiled[0].modules)):.1e}")


if __name__ == "__main__":
    main()
