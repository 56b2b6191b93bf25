"""Where experience is kept: preallocated columns, handed to programs as plain dicts of tensors."""

from probrl.data.rollout import Rollout

__all__ = ["Rollout"]
