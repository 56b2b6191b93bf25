"""Returns of the other on-policy algorithms with the settings that suit the environment, by seed.

python -m tests.benchmarks.returns_of a2c grpo awr [--env CartPole-v1] [--seeds 1 2 3] [--steps 100000]

A2C's settings are Stable-Baselines3's own, so that it runs beside it where it is installed; the others are not there.
Curves go to docs/curves/NAME/ENV.json, and from there onto the algorithm's page. A seed that a file holds already is not
run again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from typing import Any

import torch

from probrl.training import agent_of
from probrl.training.catalogue import algorithm_class
from probrl.training.tuned import tuned
from tests.benchmarks import sb3
from tests.benchmarks.returns import CURVES, EPISODES, SIDES, evaluated, theirs, thinned, written


def ours(name: str, env: str, seed: int, steps: int) -> dict[str, Any]:
    agent = agent_of(algorithm_class(name))(env, seed=seed, progress=False)
    start = time.process_time()
    agent.learn(steps)
    seconds = time.process_time() - start
    curve = [(row["timesteps"], row["episode_return"]) for row in agent.metrics.rows]
    return {**thinned(curve), "seconds": round(seconds, 1), **evaluated(agent.evaluate(EPISODES).returns)}


def settings(name: str, env: str, steps: int) -> dict[str, Any]:
    cls = algorithm_class(name)
    known = dataclasses.asdict(cls(**tuned(cls, env, {})))
    return {**json.loads(json.dumps(known, default=str)), "steps": steps}


def beside(name: str, given: dict[str, Any]) -> dict[str, Any] | None:
    """The same settings in the words of Stable-Baselines3; None where it has no such algorithm, or lacks a setting."""
    if name != "a2c" or any(given[k] for k in ("anneal_lr", "norm_obs", "norm_reward", "shared_encoder")):
        return None
    words = {"n_steps": "num_steps", "normalize_advantage": "norm_adv"}
    same = ("num_envs", "learning_rate", "gamma", "gae_lambda", "ent_coef", "vf_coef", "max_grad_norm", "rms_prop_eps")
    return {**{k: given[k] for k in same}, **{theirs: given[ours] for theirs, ours in words.items()}}


def run(name: str, env: str, seeds: list[int], steps: int) -> None:
    given = settings(name, env, steps)
    path = CURVES / name / f"{env}.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if kept.setdefault("settings", given) != given:
        raise SystemExit(f"{path} holds curves at other settings: remove it first")
    other = beside(name, given)
    for seed in seeds:
        for side in SIDES:
            done = kept.setdefault(side, {}) if side == "ours" or (other and sb3.installed()) else None
            if done is None or str(seed) in done:
                continue
            mine = side == "ours"
            done[str(seed)] = ours(name, env, seed, steps) if mine else theirs(env, seed, steps, other or {}, "A2C")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(written(kept))
            print(
                name, env, side, "seed", seed, done[str(seed)]["returns"][-1], done[str(seed)]["evaluation"], flush=True
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+")
    parser.add_argument("--env", default="CartPole-v1")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=100_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.names:
        run(name, given.env, given.seeds, given.steps)


if __name__ == "__main__":
    main()
