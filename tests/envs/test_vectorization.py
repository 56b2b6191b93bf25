"""How copies step: natively, in turn, or each in a process of its own; wrapped, with arguments, and closed again."""

import multiprocessing
import os
import signal
import time

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit, TransformReward

from probrl import PPO
from probrl.envs import make
from probrl.errors import DataError, EnvironmentError
from tests.envs.kept import Shared
from tests.envs.known import Clock, OneStep
from tests.envs.playing import play, same

SMALL = {"num_envs": 2, "num_steps": 8, "num_minibatches": 1, "update_epochs": 1, "progress": False}


def doubled(env):
    return TransformReward(env, lambda reward: 2 * reward)


def limited(env):
    return TimeLimit(env, 7)


def broken(env):
    raise ImportError("no\ncv2")


@pytest.mark.parametrize(
    ("vectorization", "kind"),
    [
        ("auto", "CartPoleVectorEnv"),
        ("native", "CartPoleVectorEnv"),
        ("sync", "SyncVectorEnv"),
        ("async", "ParallelEnv"),
    ],
)
def test_an_id_in_every_way(vectorization, kind):
    environments = make("CartPole-v1", 2, vectorization)
    assert type(environments.vector).__name__ == kind and environments.name == "CartPole-v1"
    environments.reset(seed=0)
    play(environments, 3, np.random.default_rng(0))
    environments.close()


def test_processes_and_turns_give_the_same_to_the_last_bit():
    runs = []
    for vectorization in ("sync", "async"):
        environments = make("Pendulum-v1", 2, vectorization, wrappers=[limited])
        environments.reset(seed=5)
        runs.append(play(environments, 20, np.random.default_rng(0)))
        environments.close()
    assert same(*runs)


def test_wrappers_are_applied_to_each_copy_in_order():
    environments = make("CartPole-v1", 2, wrappers=[doubled, limited])
    assert isinstance(environments.vector, SyncVectorEnv)
    environments.reset(seed=0)
    rows = play(environments, 7, np.random.default_rng(0))
    assert rows[0][1].tolist() == [2.0, 2.0] and rows[6][4].tolist() == [True, True]
    assert make(OneStep(), wrappers=[doubled]).vector.envs[0].env.env.__class__ is OneStep


REFUSED = [
    (("CartPole-v1", 2, "parallel"), {}, "vectorization is 'auto', 'native', 'sync', 'async', not 'parallel'"),
    (("Pendulum-v1", 2, "native"), {}, "Pendulum-v1 has no native vector environment"),
    (("CartPole-v1", 2, "native"), {"wrappers": [doubled]}, "wrappers go around single copies"),
    ((OneStep, 2, "native"), {}, "only an id has a native vector environment"),
    ((OneStep(), 1, "async"), {}, "hand over a callable for 'async'"),
    ((SyncVectorEnv([OneStep]), None, "sync"), {}, "steps in its own way: vectorization='sync' is for others"),
    ((SyncVectorEnv([OneStep]),), {"wrappers": [doubled]}, "wrap the vector environment before"),
    ((OneStep, 2), {"wrappers": [3]}, "a wrapper is a callable from environment to environment, not 3"),
    ((OneStep, 2), {"wrappers": [lambda env: None]}, "must return a gymnasium.Env, it made None"),
    (
        ("CartPole-v1", 2),
        {"wrappers": [broken]},
        "the wrapper broken cannot go around <.*CartPole.*>: ImportError no cv2",
    ),
    ((OneStep, 2), {"size": 3}, "size: constructor arguments go with an environment id only"),
    (("CartPole-v1", 2, "sync"), {"size": 3}, "CartPole-v1 cannot be made: .*size"),
]


@pytest.mark.parametrize(("arguments", "options", "message"), REFUSED)
def test_what_cannot_be_is_refused(arguments, options, message):
    with pytest.raises(EnvironmentError, match=message) as caught:
        make(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_sent_to_a_process_is_refused(monkeypatch):
    """Where processes cannot be forked, what makes a copy is pickled."""
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    get = multiprocessing.get_context
    monkeypatch.setattr(multiprocessing, "get_context", lambda name=None: get("spawn"))
    running = (env for env in [OneStep()])

    def new():
        assert running
        return OneStep()

    with pytest.raises(EnvironmentError, match=r"cannot be sent to another process .*: write vectorization='sync'$"):
        make(new, 2, "async")
    assert multiprocessing.active_children() == []


def test_settings_reach_the_copies():
    agent = PPO(
        "CartPole-v1", vectorization="sync", wrappers=[doubled], env_kwargs={"sutton_barto_reward": True}, **SMALL
    )
    agent.learn(16)
    copy = agent.environments.vector.envs[0]
    assert isinstance(copy.env, TransformReward) and copy.unwrapped._sutton_barto_reward
    assert agent.evaluate(2).returns == (-2.0, -2.0)


def test_evaluation_under_every_kind_of_environment():
    for env, options in [
        ("CartPole-v1", {}),
        ("CartPole-v1", {"vectorization": "async"}),
        (OneStep, {}),
        (OneStep, {"vectorization": "async"}),
        (OneStep(), {"num_envs": 1}),
        (SyncVectorEnv([OneStep] * 2), {}),
        (SyncVectorEnv([OneStep] * 2, autoreset_mode=AutoresetMode.DISABLED), {}),
    ]:
        with PPO(env, **{**SMALL, **options}) as agent:
            agent.learn(16)
            assert len(agent.evaluate(3).returns) == 3
            agent.learn(16)
            assert agent.timesteps in (32, 16)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("option", "message"),
    [({"vectorization": "none"}, "vectorization is 'auto'"), ({"wrappers": doubled}, "wrappers is a list of callables"),
     ({"wrappers": [1]}, "wrappers is a list of callables"), ({"env_kwargs": 3}, "env_kwargs is a dict")],
)  # fmt: skip
def test_settings_are_checked(option, message):
    with pytest.raises(DataError, match=message):
        PPO("CartPole-v1", **option)


def test_closing_ends_the_processes_and_learning_goes_on_in_new_ones():
    alone, closed = (PPO("Pendulum-v1", vectorization=v, **SMALL) for v in ("sync", "async"))
    alone.learn(16)
    closed.learn(16)
    assert len(multiprocessing.active_children()) == 2
    closed.close()
    closed.close()
    assert multiprocessing.active_children() == []
    alone.learn(16)
    closed.learn(16)
    closed.close()
    assert [row["loss"] for row in alone.metrics.rows] == [row["loss"] for row in closed.metrics.rows]


def test_processes_draw_apart_from_the_generators_that_they_inherit():
    environments = make(Shared, 2, "async")
    environments.reset(seed=0)
    rows = play(environments, 3, np.random.default_rng(0))
    environments.close()
    assert all(row[0][0, 0] != row[0][1, 0] for row in rows)


def test_what_was_handed_over_is_not_closed():
    env = OneStep()
    env.close = lambda: pytest.fail("closed")
    with PPO(env, **{**SMALL, "num_envs": 1}) as agent:
        agent.learn(8)
    agent.learn(8)
    assert agent.timesteps == 16


def test_forgotten_processes_end():
    environments = make(OneStep, 2, "async")
    environments.reset(seed=0)
    del environments
    assert multiprocessing.active_children() == []


def learner(pipe):
    environments = make(Clock, 2, "async")
    environments.reset(seed=0)
    pipe.send([process.pid for process in environments.vector.processes])
    while True:
        environments.step(np.zeros(2, np.int64))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked on POSIX only")
def test_nothing_is_left_when_the_learner_is_killed():
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=learner, args=(there,))
    process.start()
    children = here.recv()
    assert len(children) == 2 and all(alive(pid) for pid in children)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in children)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_clock_ticks_alike_in_every_way():
    """An environment that shows episode and step: no step is lost or doubled, whatever steps it."""
    for vectorization in ("sync", "async"):
        environments = make(Clock, 2, vectorization)
        environments.reset(seed=0)
        rows = play(environments, 10, np.random.default_rng(0))
        environments.close()
        assert [row[1][0] for row in rows] == [1, 2, 3, 11, 12, 21, 22, 23, 31, 32]
        assert [row[0][0].tolist() for row in rows][:4] == [[0, 1], [0, 2], [1, 0], [1, 1]]
        assert rows[2][2][0].tolist() == [0, 3] and rows[4][2][0].tolist() == [1, 2]


def test_gymnasium_s_own_checker_may_stay():
    assert make(lambda: gymnasium.make("CartPole-v1"), 2).num_envs == 2
