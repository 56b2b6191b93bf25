"""The shipped algorithms as the functions that make their agents: ``pr.PPO`` and one for every other declaration.

Each is found by the name of its class when it is first asked for, so that a new file of ``probrl.algorithms`` needs no
line here.
"""

from functools import cache
from typing import Any

from probrl.training.assembly import agent_of
from probrl.training.catalogue import algorithm_class, algorithm_names


@cache
def __getattr__(name: str) -> Any:
    for file in algorithm_names():
        if file.replace("_", "") == name.lower() and algorithm_class(file).__name__ == name:
            return agent_of(algorithm_class(file))
    raise AttributeError(f"no algorithm is called {name!r}: there are {', '.join(__dir__())}")


def __dir__() -> list[str]:
    return [algorithm_class(file).__name__ for file in algorithm_names()]
