"""Environments that break the contract are stopped in one line that names which one, when, and what."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from probrl import PPO
from probrl.envs import make
from probrl.errors import EnvironmentError, NonFiniteError
from tests.envs import bad
from tests.envs.known import Clock, OneStep

NAMED = {
    bad.RaisesInStep: r"environment 1 raised RuntimeError in step\(\) at step 3: the simulator fell over",
    bad.OldApi: r"environment 1 gave 4 values from step\(\) at step 3, where gymnasium has 5: observation, reward, .*",
    bad.OtherShape: r"environment 1 gave an observation of shape \(3,\), declared was \(2,\) at step 3",
    bad.OtherKind: "environment 1 gave an observation of type float32, declared was uint8 at step 3",
    bad.NoArray: "environment 1 gave an observation that is no array, declared was .* at step 3",
    bad.RaisesInReset: r"environment 1 raised OSError in reset\(\) at step 0: no licence",
    bad.NoPair: r"environment 1 gave no pair from reset\(\) at step 0: it returns \(observation, info\)",
}


SAID = [
    ("step", lambda self, a: None, r"gave no tuple from step\(\) at step 0"),
    ("step", lambda self, a: (np.zeros(2), 1.0, "no", False, {}), "gave terminated as 'no' at step 0, not as a bool"),
    ("step", lambda self, a: (np.zeros(2), 1.0, False, None, {}), "gave truncated as None at step 0, not as a bool"),
    ("step", lambda self, a: (np.zeros(2), 1.0, False, False, None), "gave info as None at step 0, not as a dict"),
    ("step", lambda self, a: (np.zeros(2), None, False, False, {}), "gave reward as None at step 0, not as a number"),
    (
        "step",
        lambda self, a: (np.zeros(2), np.ones(1), False, False, {}),
        r"gave reward as array\(\[1.\]\) at step 0, .*",
    ),
    ("reset", lambda self, *, seed=None, options=None: None, r"gave no pair from reset\(\) at step 0: .*"),
    ("reset", lambda self, seed=None: (np.zeros(2), {}), r"raised TypeError in reset\(\) at step 0: .*'options'"),
]


@pytest.mark.parametrize(("name", "function", "message"), SAID)
def test_what_is_given_is_looked_at(name, function, message):
    cls = type("Odd", (bad.Good,), {name: function})
    with pytest.raises(EnvironmentError, match=f"^Odd: environment 0 {message}$"):
        stopped(make(cls, 2))


def second_is_bad(cls):
    """A callable that makes good copies but for the second one."""
    made = []

    def new():
        env = cls()
        env.bad = len(made) == 1
        made.append(env)
        return env

    return new


def stopped(environments):
    environments.reset(seed=0)
    for _ in range(10):
        environments.step(np.zeros(environments.num_envs, np.int64))


@pytest.mark.parametrize("wrappers", [(), (lambda env: gymnasium.wrappers.TimeLimit(env, 100),)])
@pytest.mark.parametrize("cls", NAMED)
def test_the_copy_is_named_and_the_step(cls, wrappers):
    environments = make(second_is_bad(cls), 2, wrappers=wrappers)
    with pytest.raises(EnvironmentError, match=f"^{cls.__name__}: {NAMED[cls]}$") as caught:
        stopped(environments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cls", [bad.RaisesInStep, bad.OldApi, bad.OtherShape, bad.RaisesInReset])
def test_the_copy_is_named_across_processes(cls):
    environments = make(cls, 2, "async")
    with pytest.raises(EnvironmentError, match=f"^{cls.__name__}: {NAMED[cls].replace('1', '0', 1)}$"):
        stopped(environments)
    environments.close()


def test_a_process_that_ends_is_named():
    environments = make(bad.Dies, 2, "async")
    with pytest.raises(EnvironmentError, match=r"the process of environment \d ended in step\(\) \(exit code 3\)$"):
        stopped(environments)
    environments.close()


def test_copies_in_a_vector_environment_of_the_users_are_named_too():
    for mode in AutoresetMode:
        environments = make(SyncVectorEnv([second_is_bad(bad.RaisesInStep)] * 2, autoreset_mode=mode))
        with pytest.raises(EnvironmentError, match=r"environment [01] raised RuntimeError"):
            stopped(environments)


def test_infos_that_are_a_list_are_refused():
    vector = SyncVectorEnv([OneStep] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(EnvironmentError, match=r"gives its infos as a list.*: leave .*DictInfoToList out"):
        stopped(make(gymnasium.wrappers.vector.DictInfoToList(vector)))


LEARNED = {
    bad.RewardOfWords: (
        EnvironmentError,
        "RewardOfWords: environment 0 gave reward as 'much' at step 3, not as a number",
    ),
    bad.Outside: (
        EnvironmentError,
        r"Outside: environment 0 gave an observation outside its space at step 3: \[1\] is 7, declared is -1 to 1",
    ),
    bad.OutsideAtReset: (
        EnvironmentError,
        r"OutsideAtReset: environment 0 gave an observation outside .* at the reset before step 0: \[1\] is 1.5, declared is -1 to 1",
    ),
    bad.NoChoice: (EnvironmentError, ".* outside its space at step 3: it is 4, declared is 1 to 3"),
    bad.NanSeen: (NonFiniteError, "the observation is nan in environment 0 at step 3"),
    bad.InfiniteReward: (NonFiniteError, "the reward is -inf in environment 0 at step 3"),
}


@pytest.mark.parametrize("cls", LEARNED)
def test_nothing_is_learned_from_it(cls):
    kind, message = LEARNED[cls]
    agent = PPO(cls, num_envs=2, num_steps=8, num_minibatches=1, update_epochs=1, progress=False)
    with pytest.raises(kind, match=f"^{message}$") as caught:
        agent.learn(100)
    assert "\n" not in str(caught.value) and agent.timesteps == 0


def test_the_step_is_that_of_the_whole_run():
    cls = type(
        "Later",
        (bad.InfiniteReward,),
        {"step": lambda self, a: bad.Good.step(self, a) if self.t < 20 else self.broken()},
    )
    cls.bad = False
    agent = PPO(cls, num_envs=1, num_steps=8, num_minibatches=1, update_epochs=1, progress=False)
    with pytest.raises(NonFiniteError, match=r"^the reward is -inf in environment 0 at step 20$"):
        agent.learn(100)
    assert agent.timesteps == 16


def test_what_overshoots_later_is_let_pass_and_what_is_far_off_is_not():
    environments = make(bad.Good, 2)
    environments.reset(seed=0)
    environments.check(np.zeros((2, 3, 2)), 0)
    environments.check(np.full((2, 3, 2), 20.5), 3)
    with pytest.raises(EnvironmentError, match=r"environment 0 .* at step 5: \[0\] is 21.5, declared is -1 to 1"):
        environments.check(np.full((2, 3, 2), 21.5), 6)


def test_bounds_of_bytes_and_of_nothing_cost_nothing():
    class Bytes(OneStep):
        observation_space = spaces.Box(0, 255, (1,), np.uint8)

    assert make(Bytes, 1)._bounds._limits == [] and make(OneStep, 1)._bounds._limits == []


def test_copies_that_differ_are_refused():
    made = []

    def new():
        made.append(Clock())
        made[-1].action_space = spaces.Discrete(1 + len(made))
        return made[-1]

    with pytest.raises(EnvironmentError, match=r"^the copies of Clock differ: .*action space.*$"):
        make(new, 2)


def test_a_callable_that_makes_nothing_new_is_refused():
    env = Clock()
    with pytest.raises(EnvironmentError, match="returned the same environment twice"):
        make(lambda: env, 2)


def test_an_environment_without_spaces_is_refused():
    cls = type("Bare", (bad.Good,), {"action_space": None})
    with pytest.raises(EnvironmentError, match=r"^Bare cannot be used: .*NoneType"):
        make(cls, 2)


def test_a_callable_that_raises_is_named():
    def new():
        raise OSError("no\nlicence")

    with pytest.raises(EnvironmentError, match=r"^environment 0 cannot be made: OSError no licence$"):
        make(new, 2)


class Empty(VectorEnv):
    """Ends episodes in the very step that begins them."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012
    num_envs = 2
    single_observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    single_action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros((2, 1), np.float32), {}

    def step(self, actions):
        return np.zeros((2, 1), np.float32), np.zeros(2), np.array([False, True]), np.zeros(2, bool), {}


def test_an_episode_without_a_step_is_refused():
    with pytest.raises(EnvironmentError, match=r"^Empty: environment 1 ended an episode of no step at step 1$"):
        stopped(make(Empty()))


FOUR = np.zeros((2, 1), np.float32), np.ones(2), np.zeros(2, bool), np.zeros(2, bool)
ODD = [
    ({"num_envs": 0}, "^Fine has 0 environments: it needs one at least$"),
    ({"step": lambda self, a: FOUR}, r"^Fine gave 4 values from step\(\) at step 0, where gymnasium has 5: .*$"),
    ({"step": lambda self, a: (np.zeros((3, 1)), *FOUR[1:], {})}, r"shape \(1,\) but gave, in all, \(3, 1\)$"),
    (
        {"step": lambda self, a: (FOUR[0], [1, 1], *FOUR[2:], {})},
        "gave reward as list, where 2 numbers are due, at step 0$",
    ),
    (
        {"step": lambda self, a: (*FOUR[:2], np.zeros(2), FOUR[3], {})},
        r"gave terminated as float64 of shape \(2,\), where",
    ),
]


@pytest.mark.parametrize(("parts", "message"), ODD)
def test_what_a_vector_environment_gives_is_looked_at(parts, message):
    fine = {"step": lambda self, a: (*FOUR, {})}
    stopped(make(type("Fine", (Empty,), fine)()))
    with pytest.raises(EnvironmentError, match=message):
        stopped(make(type("Fine", (Empty,), {**fine, **parts})()))


def test_a_vector_environment_that_raises_is_named():
    vector = Empty()
    vector.step = lambda actions: 1 / 0
    with pytest.raises(
        EnvironmentError, match=r"^Empty raised ZeroDivisionError in step\(\) at step 0: division by zero$"
    ):
        stopped(make(vector))


@pytest.mark.parametrize("steps", [2, 4, 8])
@pytest.mark.parametrize("cls", [bad.RaisesInStep, bad.OtherShape, bad.FarOutside, bad.NanSeen, bad.InfiniteReward])
def test_a_step_has_one_number_whatever_goes_wrong_in_it(cls, steps):
    """In calls of ``step``, from 0: also where a rollout ends with it, and in an evaluation."""
    agent = PPO(bad.Good, num_envs=2, num_steps=steps, num_minibatches=1, update_epochs=1, progress=False)
    with pytest.raises((EnvironmentError, NonFiniteError), match=r"environment 0 .*at step 3\b"):
        PPO(cls, num_envs=2, num_steps=steps, num_minibatches=1, update_epochs=1, progress=False).learn(100)
    if cls not in (
        bad.FarOutside,
        bad.InfiniteReward,
    ):  # an evaluation lets values outside pass, and looks at whole returns
        with pytest.raises((EnvironmentError, NonFiniteError), match=r"environment 0 .*at step 3\b"):
            agent.evaluate(2, env=cls)


def test_what_a_reset_gives_is_named_by_the_reset():
    agent = PPO(bad.NanAtReset, num_envs=2, num_steps=4, num_minibatches=1, update_epochs=1, progress=False)
    for play in (lambda: agent.learn(8), lambda: agent.evaluate(2)):
        with pytest.raises(NonFiniteError, match=r"environment 0 at the reset before step 0$"):
            play()
