"""Returns of PPO at the same steps and settings, ours and Stable-Baselines3's; curves go to docs/curves, one file each.

python -m tests.benchmarks.returns CartPole-v1 [--seeds 1 2 3] [--steps 100000] [--side ours Stable-Baselines3]
python -m tests.benchmarks.returns --table

The settings are those of Stable-Baselines3's zoo (without its state-dependent exploration, which one side lacks). A seed
that a file holds already is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import probrl as pr
from tests.benchmarks import sb3

CURVES = Path(__file__).parents[2] / "docs" / "curves"
SIDES = ("ours", "Stable-Baselines3")
POINTS, EPISODES = 50, 20
CLASSIC = {"ent_coef": 0.0, "clip_range": 0.2, "learning_rate": 3e-4, "batch_size": 64, "gamma": 0.99}
WALKING = {"num_envs": 1, "n_steps": 2048, "n_epochs": 10, "gae_lambda": 0.95, "normalize": True, "steps": 1_000_000}
SETTINGS: dict[str, dict[str, Any]] = {
    "CartPole-v1": {
        **CLASSIC, "num_envs": 8, "n_steps": 32, "batch_size": 256, "n_epochs": 20, "gamma": 0.98, "gae_lambda": 0.8,
        "learning_rate": 1e-3, "annealed": True, "steps": 100_000,
    },
    "Acrobot-v1": {
        **CLASSIC, "num_envs": 16, "n_steps": 256, "n_epochs": 4, "gae_lambda": 0.94, "normalize": True,
        "steps": 100_000,
    },
    "Pendulum-v1": {
        **CLASSIC, "num_envs": 4, "n_steps": 1024, "n_epochs": 10, "gamma": 0.9, "gae_lambda": 0.95,
        "learning_rate": 1e-3, "steps": 100_000,
    },
    "LunarLander-v3": {
        **CLASSIC, "num_envs": 16, "n_steps": 1024, "n_epochs": 4, "gamma": 0.999, "gae_lambda": 0.98,
        "ent_coef": 0.01, "steps": 1_000_000,
    },
    "BipedalWalker-v3": {
        **CLASSIC, "num_envs": 32, "n_steps": 2048, "n_epochs": 10, "gamma": 0.999, "gae_lambda": 0.95,
        "clip_range": 0.18, "normalize": True, "steps": 1_000_000,
    },
    "HalfCheetah-v5": {**CLASSIC, **WALKING},
    "Hopper-v5": {**CLASSIC, **WALKING},
}  # fmt: skip


def ours(env: str, seed: int, steps: int, given: dict[str, Any]) -> dict[str, Any]:
    rows = given["num_envs"] * given["n_steps"]
    agent = pr.PPO(
        env, seed=seed, progress=False, num_envs=given["num_envs"], num_steps=given["n_steps"],
        num_minibatches=rows // given["batch_size"], update_epochs=given["n_epochs"], gamma=given["gamma"],
        gae_lambda=given["gae_lambda"], learning_rate=given["learning_rate"], clip_coef=given["clip_range"],
        ent_coef=given["ent_coef"], anneal_lr=given.get("annealed", False), anneal_clip=given.get("annealed", False),
        vf_coef=1.0,  # of half the squared error, as 0.5 of the whole there
        norm_obs=given.get("normalize", False), norm_reward=given.get("normalize", False), clip_vloss=False,
        norm_adv=True, max_grad_norm=0.5, hidden=(64, 64),
    )  # fmt: skip
    start = time.process_time()
    agent.learn(steps)
    seconds = time.process_time() - start
    curve = [(row["timesteps"], row["episode_return"]) for row in agent.metrics.rows]
    return {**thinned(curve), "seconds": round(seconds, 1), **evaluated(agent.evaluate(EPISODES).returns)}


def theirs(env: str, seed: int, steps: int, given: dict[str, Any], algorithm: str = "PPO") -> dict[str, Any]:
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.vec_env import VecNormalize

    curve: list[tuple[float, float]] = []

    class Curve(BaseCallback):
        def _on_step(self) -> bool:
            return True

        def _on_rollout_end(self) -> None:
            returns = [episode["r"] for episode in self.model.ep_info_buffer]
            curve.append((self.num_timesteps, float(np.mean(returns)) if returns else float("nan")))

    passed = {k: v for k, v in given.items() if k not in ("steps", "annealed", "num_envs")}
    if given.get("annealed"):
        passed |= {name: sb3.falling(given[name]) for name in ("learning_rate", "clip_range")}
    model = sb3.model(algorithm, env, given["num_envs"], seed, **passed)
    start = time.process_time()
    model.learn(steps, callback=Curve())
    seconds = time.process_time() - start
    envs: Any = make_vec_env(env, 1, seed=seed + 1_000_003)
    if given.get("normalize"):
        envs, own = VecNormalize(envs, training=False, norm_reward=False), model.get_vec_normalize_env()
        assert own is not None
        envs.obs_rms = own.obs_rms
    returns, _ = evaluate_policy(model, envs, EPISODES, return_episode_rewards=True)
    return {**thinned(curve), "seconds": round(seconds, 1), **evaluated(returns)}


def thinned(curve: list[tuple[float, float]]) -> dict[str, list[float]]:
    """At most so many points, the last one among them; before an episode ended there is none."""
    known = [(int(t), round(float(r), 2)) for t, r in curve if not np.isnan(r)]
    kept = [known[i] for i in sorted({round(i) for i in np.linspace(0, len(known) - 1, POINTS)})] if known else []
    return {"timesteps": [t for t, _ in kept], "returns": [r for _, r in kept]}


def evaluated(returns: Iterable[Any]) -> dict[str, float]:
    return {"evaluation": round(statistics.fmean(map(float, returns)), 2)}


def run(env: str, seeds: Iterable[int], steps: int | None, sides: Iterable[str]) -> None:
    given = SETTINGS[env]
    path = CURVES / f"{env}.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    steps = steps or given["steps"]
    if kept.setdefault("settings", {**given, "steps": steps}) != {**given, "steps": steps}:
        raise SystemExit(f"{path} holds curves at other settings: remove it first")
    for seed in seeds:
        for side in sides:
            done = kept.setdefault(side, {})
            if str(seed) not in done and (side == "ours" or sb3.installed()):
                done[str(seed)] = (ours if side == "ours" else theirs)(env, seed, steps, given)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(written(kept))
                print(
                    env, side, "seed", seed, {k: v for k, v in done[str(seed)].items() if k != "timesteps"}, flush=True
                )


def written(kept: dict[str, Any]) -> str:
    """JSON with a line for each seed."""
    lines = [f'"settings": {json.dumps(kept["settings"])}']
    for side in (side for side in SIDES if side in kept):
        runs = ",\n".join(f"  {json.dumps(seed)}: {json.dumps(run)}" for seed, run in kept[side].items())
        lines.append(f"{json.dumps(side)}: {{\n{runs}\n}}")
    return "{" + ",\n".join(lines) + "}\n"


def table() -> str:
    """Mean and deviation over seeds: of the last 100 training episodes, and of evaluations without noise."""
    lines = [f"{'':18} {'steps':>8}  {'side':18} {'training':>18} {'evaluation':>18} {'seconds':>8}"]
    for path in sorted(CURVES.glob("*.json")):
        kept = json.loads(path.read_text())
        for side in SIDES:
            runs = list(kept.get(side, {}).values())
            if runs:
                cells = [_cell([r["returns"][-1] for r in runs]), _cell([r["evaluation"] for r in runs])]
                seconds = statistics.fmean(r["seconds"] for r in runs)
                steps = kept["settings"]["steps"]
                lines.append(f"{path.stem:18} {steps:8}  {side:18} {cells[0]:>18} {cells[1]:>18} {seconds:8.0f}")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    return f"{statistics.fmean(values):.1f} ± {statistics.pstdev(values):.1f} ({len(values)})"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("envs", nargs="*", choices=[*SETTINGS, []])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--side", nargs="*", default=SIDES, choices=SIDES)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for env in given.envs:
        run(env, given.seeds, given.steps, given.side)
    if given.table:
        print(table())


if __name__ == "__main__":
    main()
