"""``probrl show ALGORITHM``: the equations that an algorithm trains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from probrl.cli.choosing import choose, usage
from probrl.errors import DataError
from probrl.training import Agent
from probrl.training.generating import models
from probrl.training.meanings import meanings


@dataclass(frozen=True)
class Show:
    """Prints the equations that an algorithm trains.

    Args:
        format: LaTeX, text for a terminal, a picture, the code of the update's graph, or the meaning of each metric.
        env_id: environment whose spaces the algorithm is declared for.
        output: file to write to; a picture goes to a file named after the algorithm by default.
        config: .toml or .json file with flags; flags on the command line override it.
        tuned: whether hyper-parameters that you leave out take the values tuned for the environment.
    """

    format: Literal["latex", "text", "png", "code", "metrics"] = "latex"
    env_id: str = "CartPole-v1"
    output: str | None = None
    config: str | None = None
    tuned: bool = True


def show(words: list[str]) -> None:
    """``probrl show ALGORITHM --format latex|text|png|code|metrics``, and every hyper-parameter."""
    if words in (["-h"], ["--help"]):
        from probrl.cli.recipes import models_in_words

        print(usage("show", models_in_words()))
        return
    if words and words[0] in models():
        from probrl.cli.show_model import show_model

        show_model(words)
        return
    choice = choose(Show, words, "show")
    written(Agent(choice.algorithm, choice.options.env_id), choice.name, choice.options)


def written(agent: Any, name: str, chosen: Any) -> None:
    """Prints what was asked for, or writes it to a file that does not exist yet."""
    named = chosen.output or (f"{name}.png" if chosen.format == "png" else "")
    target = Path(named) if named else None
    if target is not None and target.exists():
        raise DataError(f"{str(target)!r} exists: name another file with --output")
    if chosen.format == "png":
        agent.png(target)
    else:
        ways = {"latex": agent.latex, "text": agent.text, "code": lambda: agent.code, "metrics": lambda: table(agent)}
        content = ways[chosen.format]()
        if target is None:
            print(content)
            return
        target.write_text(content + "\n", encoding="utf-8")
    print(f"written to {target}")


def table(agent: Any) -> str:
    """Every metric of an agent's learning, with what it means."""
    said = meanings(agent)
    wide = max(map(len, said))
    return "\n".join(f"{name:<{wide}}  {meaning}" for name, meaning in said.items())
