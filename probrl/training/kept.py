"""What of an agent goes on where it stopped, besides its weights: gathered for a checkpoint, and taken over again."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from probrl.errors import EnvironmentError
from probrl.training import streams

if TYPE_CHECKING:
    from probrl.training.agent import Agent
    from probrl.training.collector import Collector

Plain = dict[str, Any]


def state_of(agent: Agent) -> Plain:
    """Optimisers, schedules, copies, generators, normalisation, environments and callbacks: plain types and tensors.

    What a loaded agent has not needed so far is handed on as it was loaded.
    """
    kept = agent.kept
    normalization = getattr(agent, "normalization", None)
    return {
        "update": kept.get("update", {}) if agent._update is None else agent._update.state_dict(),
        "acting": agent._generator.get_state(),
        "normalization": None if normalization is None else normalization.state(),
        "collector": kept.get("collector") if agent.collector is None else agent.collector.state(),
        "callbacks": kept["callbacks"] if "callbacks" in kept else [states(one) for one in agent.callbacks],
        "streams": kept["streams"] if "streams" in kept else streams.state(agent.settings.device),
    }


def take(agent: Agent, state: Plain) -> None:
    """Gives an agent what :func:`state_of` gathered: at once what predictions need, the rest when it learns."""
    agent.kept = dict(state)
    acting = agent.kept.pop("acting")
    if acting.shape == agent._generator.get_state().shape:  # a GPU's generator cannot go on on a CPU
        agent._generator.set_state(acting)
    normalization = agent.kept.pop("normalization", None)
    if normalization is not None:
        agent.normalization.set_state(normalization)
    if agent._update is not None and agent.kept["update"]:
        fill(agent._update, agent.kept.pop("update"))
    elif agent.kept["update"].get("cells"):
        agent.compile(None)  # the policy may read a scalar that is learned


def fill(update: Any, saved: Plain) -> None:
    """Gives a compiled program what it had; the generator of another kind of device starts anew."""
    own = update.state_dict().get("generator")
    if own is not None and own.shape != saved["generator"].shape:
        saved = {**saved, "generator": own}
    update.load_state_dict(saved)


def states(callback: Any) -> list[Any]:
    """What a callback is called, and its state if it has one."""
    return [type(callback).__name__, callback.state() if hasattr(callback, "state") else None]


def go_on(agent: Agent, collector: Collector, callbacks: list[Any]) -> None:
    """Lets environments, callbacks and random streams go on where the checkpoint of a loaded agent left them; once.

    Environments that cannot are started anew, with a warning that says why.
    """
    go_on_playing(agent, collector)
    agent.collector, agent.callbacks = collector, callbacks
    saved = agent.kept.pop("callbacks", [])
    for callback in callbacks:
        match = next((i for i, (name, _) in enumerate(saved) if name == type(callback).__name__), None)
        if match is None:
            continue
        _, state = saved.pop(match)
        if state is not None and hasattr(callback, "set_state"):
            callback.set_state(state)
    if "streams" in agent.kept:
        streams.set_state(agent.kept.pop("streams"), agent.settings.device)


def go_on_playing(agent: Agent, collector: Collector) -> None:
    """Lets environments go on where the checkpoint left them; once."""
    state = agent.kept.pop("collector", None)
    if state is None:
        return
    try:
        collector.set_state(state)
    except EnvironmentError as error:
        warnings.warn(f"the episodes under way cannot go on, new ones begin: {error}", stacklevel=2)
    agent.collector = collector
