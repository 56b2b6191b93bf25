"""``probrl train ALGORITHM``: trains an agent and saves everything in a run folder."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

from probrl.cli.choosing import Choice, choose, usage
from probrl.training import Agent, Settings
from probrl.training.settings import whole_number

OWN = ("run", "plot")  # settings that the command has flags of its own for
RUNNING = tuple(f.name for f in dataclasses.fields(Settings) if f.name not in OWN)


@dataclass(frozen=True)
class Train:
    """Trains an agent in an environment and saves equations, metrics and the agent in a run folder.

    Args:
        env_id: id of the Gymnasium environment.
        total_timesteps: environment steps, summed over all copies.
        run: run folder; by default a new one under runs, named after environment, algorithm, seed and time.
        config: .toml or .json file with flags, such as the config.json of another run; flags on the command line
            override it.
        tuned: whether hyper-parameters that you leave out take the values tuned for the environment.
        plot: whether to draw equations and learning curves into the run folder, if matplotlib is installed.
    """

    env_id: str = "CartPole-v1"
    total_timesteps: int = 50_000
    run: str | None = None
    config: str | None = None
    tuned: bool = True
    plot: bool = True


def train(words: list[str]) -> None:
    """``probrl train ALGORITHM --env-id ... --seed ... --total-timesteps ...``, and every hyper-parameter."""
    if words in (["-h"], ["--help"]):
        print(usage("train"))
        return
    choice = choose(Train, words, "train", RUNNING)
    options = choice.options
    whole_number("total-timesteps", options.total_timesteps)
    folder = options.run or folder_for(choice)
    settings = Settings(**choice.settings, run=folder, plot=options.plot)
    if settings.tensorboard:
        from probrl.training.tensorboard import TensorBoard

        TensorBoard()  # whether it is installed is better known before the folder is made
    agent = Agent(choice.algorithm, options.env_id, settings)
    agent.keep_in(folder)
    agent.learn(options.total_timesteps)  # it keeps itself in the run folder
    print(f"{agent.timesteps} steps, kept in {folder}")
    if settings.eval_episodes:
        print(agent.evaluate(episodes=settings.eval_episodes))


def folder_for(choice: Choice) -> str:
    """The folder of a run that was given none."""
    env = choice.options.env_id.replace("/", "-").replace(":", "-")
    return f"runs/{env}__{choice.name}__{choice.settings['seed']}__{time.strftime('%Y%m%d-%H%M%S')}"
