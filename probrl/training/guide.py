"""What a run folder says to the person who finds it: what was run, what to do with it, and what each file is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FILES = {
    "config.json": "hyper-parameters, settings, versions, the digest of the equations; `--config` makes such a run again",
    "equations.tex, .txt, .png": "everything that is trained, as LaTeX, as text, as a picture",
    "metrics.jsonl, .csv": "one row per update: steps, returns, every named term of the loss, speed",
    "learning_curve.png": "the same as curves",
    "manifest.json": "the newest checkpoint: how far it is, and the checksums of the files that belong to it",
    "weights-*.safetensors": "the weights of the checkpoint",
    "state-*.pt": "what else is needed to go on: optimisers, generators, environments",
    "best": "a checkpoint of the agent that did best in an evaluation",
    "tensorboard": "the metrics for `tensorboard --logdir`",
}

PLAYED = {
    "resume": "go on where it stopped",
    "eval": "play whole episodes with what it learned",
    "plot": "draw its learning curve; name several runs to compare them",
}
FITTED = {
    "resume": "go on where it stopped",
    "eval": "compare samples with data that it has not learned from",
    "plot": "draw its learning curve; name several runs to compare them",
}


def guide(folder: Path, config: dict[str, Any], latex: str) -> str:
    """A page about a run, in Markdown.

    Args:
        folder: of the run.
        config: what :func:`probrl.training.checkpoint.configuration` says.
        latex: its equations.
    """
    name, env, settings = config["algorithm"]["name"], config.get("env"), config["settings"]
    hyper = "\n".join(f"| `{key}` | {value} |" for key, value in config["hyper_parameters"].items())
    uses = FITTED if config.get("generative") else PLAYED
    use = "\n".join(f"probrl {command} {folder}    # {what}" for command, what in uses.items())
    files = "\n".join(f"| `{file}` | {what} |" for file, what in FILES.items())
    return f"""# {name} on {env}, seed {settings["seed"]}

Learned with probrl {config["versions"]["probrl"]} by the equations below (digest `{config["digest"]}`).

```sh
{use}
```

In Python, `probrl.load({str(folder)!r})` is the agent.

| file | what it is |
|---|---|
{files}

Some of them come with the first checkpoint, at the end, or only where they were asked for.

| hyper-parameter | value |
|---|---|
{hyper}

```math
{latex}
```
"""
