"""Where data are kept: experience in preallocated columns, data sets and files as dicts of tensors, built-in toys."""

from probrl.data import toys
from probrl.data.coupling import optimal_coupling
from probrl.data.rollout import Rollout

__all__ = ["Rollout", "optimal_coupling", "toys"]
