"""The loops that feed data to compiled programs: agents, trainers, evaluation, checkpoints and run folders."""

from probrl.training import callbacks
from probrl.training.agent import Agent
from probrl.training.assembly import agent_of
from probrl.training.evaluation import Evaluation
from probrl.training.on_policy import OnPolicyTrainer
from probrl.training.restoring import load, resume
from probrl.training.settings import Settings

__all__ = ["Agent", "Evaluation", "OnPolicyTrainer", "Settings", "agent_of", "callbacks", "load", "resume"]
