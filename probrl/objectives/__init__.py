"""The field's formulas as definitions: one small file each."""

from probrl.objectives.clipped_surrogate import clipped_surrogate
from probrl.objectives.expectile import expectile
from probrl.objectives.gae import gae
from probrl.objectives.huber import huber
from probrl.objectives.td_error import td_error

__all__ = ["clipped_surrogate", "expectile", "gae", "huber", "td_error"]
