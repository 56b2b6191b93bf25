"""Steps per second of whole learning on CartPole: ours eager and compiled, Stable-Baselines3, a script by hand.

python -m tests.benchmarks.end_to_end [--rounds 7] [--only ppo many parts a2c] [--clock processor]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import probrl as pr
from probrl.training.agent import Agent
from probrl.training.on_policy import OnPolicyTrainer
from tests.benchmarks import by_hand, sb3

Learn = Callable[[int], object]
ENV, SECONDS = "CartPole-v1", 0.6
CLOCK: list[Callable[[], float]] = [time.perf_counter]  # or the processor's: on a machine that others use, too
PPO = {"learning_rate": 3e-4, "anneal_lr": False, "anneal_clip": False, "gamma": 0.99, "gae_lambda": 0.95}


def race(title: str, contestants: Mapping[str, Learn], rollout: int, rounds: int, reference: str) -> dict[str, float]:
    """Median steps per second of each, who take turns in every round; prints the table and the load."""
    chunks = {}
    for name, learn in contestants.items():
        start = CLOCK[0]()
        learn(4 * rollout)  # compiles, fills caches
        warm = CLOCK[0]()
        learn(4 * rollout)
        chunks[name] = max(1, round(SECONDS / ((CLOCK[0]() - warm) / 4))) * rollout
        print(f"  {name}: warm after {warm - start:.1f} s", flush=True)
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, learn in contestants.items():
            start = CLOCK[0]()
            learn(chunks[name])
            samples[name].append(chunks[name] / (CLOCK[0]() - start))
    found = {name: statistics.median(rates) for name, rates in samples.items()}
    print(f"{title} (median of {rounds} rounds in turn; load {os.getloadavg()[0]:.1f})")
    if reference not in samples:
        reference = next(iter(samples))
    for name, rate in found.items():
        # the ratio within a round, whose contestants saw the same machine
        ratio = statistics.median(a / b for a, b in zip(samples[name], samples[reference], strict=True))
        print(f"  {name:24} {rate:9.0f} steps/s   {ratio:5.2f} times {reference}")
    print(flush=True)
    return found


def ours(algorithm: str, backend: str, **options: object) -> Agent:
    make = getattr(pr, algorithm)
    agent: Agent = make(ENV, seed=1, backend=backend, progress=False, **options)
    return agent


def ppo(num_envs: int, num_steps: int, minibatch: int, epochs: int, backend: str) -> Agent:
    sizes = {"num_envs": num_envs, "num_steps": num_steps, "update_epochs": epochs}
    return ours("PPO", backend, num_minibatches=num_envs * num_steps // minibatch, **sizes, **PPO)


def race_ppo(num_envs: int, minibatch: int, rounds: int) -> None:
    field: dict[str, Learn] = {}
    if sb3.installed():
        model = sb3.model(
            "PPO", ENV, num_envs, 1, n_steps=128, batch_size=minibatch, n_epochs=4, learning_rate=3e-4, ent_coef=0.0
        )
        field["Stable-Baselines3"] = lambda steps: model.learn(steps, reset_num_timesteps=False)
    field["by hand"] = by_hand.PPO(ENV, num_envs, 128, minibatch, 4).learn
    for backend, name in (("eager", "ours, eager"), ("inductor", "ours, compiled")):
        field[name] = ppo(num_envs, 128, minibatch, 4, backend).learn
    title = f"PPO, {num_envs} environments x 128 steps, minibatches of {minibatch}, 4 epochs"
    race(title, field, 128 * num_envs, rounds, "Stable-Baselines3")


def race_a2c(rounds: int) -> None:
    field: dict[str, Learn] = {}
    if sb3.installed():
        model = sb3.model("A2C", ENV, 8, 1)
        field["Stable-Baselines3"] = lambda steps: model.learn(steps, reset_num_timesteps=False)
    for backend, name in (("eager", "ours, eager"), ("inductor", "ours, compiled")):
        field[name] = ours("A2C", backend, num_envs=8, num_steps=5).learn
    race("A2C, 8 environments x 5 steps, 64-64 tanh, RMSprop", field, 40, rounds, "Stable-Baselines3")


def parts(backend: str, rounds: int) -> None:
    """What the loop adds: a rollout and its update, over environment steps, policy calls and the update timed alone."""
    agent = ppo(4, 128, 128, 4, backend)
    trainer = OnPolicyTrainer(None, agent)
    for _ in range(3):
        trainer.step(0.0)
    rollout = trainer.collector.collect()
    columns = rollout.columns()
    actions = columns["a"].numpy().T.copy()
    seen = np.ascontiguousarray(columns["s"].numpy().swapaxes(0, 1))
    vector, act = trainer.environments.vector, trainer.collector.act
    copy = {name: column.clone() for name, column in columns.items()}

    def step_environments() -> None:
        for action in actions:
            vector.step(action)

    @torch.no_grad()
    def call_policy() -> None:
        quick = act.quickly(len(seen), torch.from_numpy(seen[0]))  # type: ignore[attr-defined]
        for observation in seen:
            quick(observation)
        act.rest()  # type: ignore[attr-defined]

    calls = {
        "whole": lambda: trainer.step(0.0),
        "environment": step_environments,
        "policy": call_policy,
        "update": lambda: agent.update(copy),
    }
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(8 * rounds):
        for name, call in calls.items():  # in turns, so that each finds the machine's caches as the others left them
            start = CLOCK[0]()
            call()
            samples[name].append(CLOCK[0]() - start)
    median = {name: statistics.median(values) for name, values in samples.items()}
    alone = sum(v for name, v in median.items() if name != "whole")
    print(f"PPO, 4 x 128, {backend}: one rollout and its update in ms (load {os.getloadavg()[0]:.1f})")
    print("  " + ", ".join(f"{name} {value * 1e3:.2f}" for name, value in median.items()))
    print(f"  whole over its parts: {median['whole'] / alone:.2f}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="*", default=["ppo", "many", "parts", "a2c"])
    parser.add_argument("--clock", choices=["wall", "processor"], default="wall")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.clock == "processor":
        CLOCK[0] = time.process_time
    if "ppo" in given.only:
        race_ppo(4, 128, given.rounds)
    if "many" in given.only:
        race_ppo(64, 2048, given.rounds)
    if "parts" in given.only:
        for backend in ("eager", "inductor"):
            parts(backend, given.rounds)
    if "a2c" in given.only:
        race_a2c(given.rounds)


if __name__ == "__main__":
    main()
