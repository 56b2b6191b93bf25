"""Environments played at random, step by step, for comparison bit by bit."""

from __future__ import annotations

import io

import numpy as np
import torch

from probrl.envs import Continuous


def actions(environments, rng):
    """One action for every copy, as a policy would hand it over."""
    action, n = environments.spaces.action, environments.num_envs
    if isinstance(action, Continuous):
        return rng.uniform(-1, 1, (n, action.dim)).astype(np.float32)
    return rng.integers(action.n, size=n)


def play(environments, steps, rng):
    """What every step gave, as copies."""
    rows = []
    for _ in range(steps):
        rows.append([copied(x) for x in environments.step(actions(environments, rng))])
    return rows


def copied(value):
    return {k: copied(v) for k, v in value.items()} if isinstance(value, dict) else np.array(value)


def same(a, b):
    """Whether two recordings are equal, type by type and bit by bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def stored(state):
    """The state as it comes back from a file that is read without trust."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def goes_on(new, before=50, after=50, seed=3):
    """Plays some steps, writes the state down, and plays on: in the same environments, and in new ones from the state.

    Returns:
        The state, whether both went alike to the last bit, and how many episodes ended while they did.
    """
    rng = np.random.default_rng(0)
    first = new()
    first.reset(seed)
    play(first, before, rng)
    state, here = first.state(), rng.bit_generator.state
    on = play(first, after, rng)
    second = new()
    second.set_state(stored(state))
    rng.bit_generator.state = here
    again = play(second, after, rng)
    alike = same(on, again) and same_log(first.episodes, second.episodes)
    first.close()
    second.close()
    return state, alike, int(sum((row[3] | row[4]).sum() for row in on))


def same_log(a, b):
    return (a.finished, list(a.returns), list(a.lengths)) == (b.finished, list(b.returns), list(b.lengths))
