"""Pictures of samples, trajectories, densities and flows: functions of tensors that write a file or give a figure."""

from probrl.pictures.animation import animate
from probrl.pictures.density import draw_density
from probrl.pictures.samples import draw_samples
from probrl.pictures.trajectories import draw_trajectories

__all__ = ["animate", "draw_density", "draw_samples", "draw_trajectories"]
