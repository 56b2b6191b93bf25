"""The README of a run folder: what was run, what to do with it, and what each file is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FILES = {
    "config.json": "hyper-parameters, settings, versions, the digest of the equations; `--config` repeats the run",
    "equations.tex, .txt, .png": "every equation that is trained, as LaTeX, text and picture",
    "metrics.jsonl, .csv": "one row per update: steps, returns, every named term of the loss, speed",
    "learning_curve.png": "the metrics as curves",
    "manifest.json": "the latest checkpoint: its step, and the checksums of its files",
    "weights-*.safetensors": "the weights of the checkpoint",
    "state-*.pt": "everything else that is needed to continue: optimisers, generators, environments",
    "best": "a checkpoint of the agent with the best evaluation",
    "tensorboard": "the metrics for `tensorboard --logdir`",
}

PLAYED = {
    "resume": "continue where it stopped",
    "eval": "play whole episodes with the agent",
    "plot": "draw its learning curve; name several runs to compare them",
}
FITTED = {
    "resume": "continue where it stopped",
    "eval": "compare samples with held-out data",
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

Trained with probrl {config["versions"]["probrl"]} on the equations below (digest `{config["digest"]}`).

```sh
{use}
```

In Python, `probrl.load({str(folder)!r})` is the agent.

| file | what it is |
|---|---|
{files}

Some files appear with the first checkpoint, at the end, or only if they were asked for.

| hyper-parameter | value |
|---|---|
{hyper}

```math
{latex}
```
"""
