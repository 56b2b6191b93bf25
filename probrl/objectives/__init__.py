"""The field's formulas as definitions: one small file each."""

from probrl.objectives.clipped_surrogate import clipped_surrogate
from probrl.objectives.contrastive_energy import contrastive_energy
from probrl.objectives.expectile import expectile
from probrl.objectives.gae import gae
from probrl.objectives.group_advantage import group_advantage
from probrl.objectives.huber import huber
from probrl.objectives.normalized import normalized, running_return, scaled
from probrl.objectives.preference import preference
from probrl.objectives.reward_to_go import reward_to_go
from probrl.objectives.td_error import td_error

__all__ = [
    "clipped_surrogate",
    "contrastive_energy",
    "expectile",
    "gae",
    "group_advantage",
    "huber",
    "normalized",
    "preference",
    "reward_to_go",
    "running_return",
    "scaled",
    "td_error",
]
