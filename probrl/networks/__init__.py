"""Networks to begin with; any torch module of the user's serves as well."""

from probrl.networks.cnn import CNN, cnn
from probrl.networks.dit import DiT1d, DiT2d
from probrl.networks.joining import Chain, Flat, Joined, OneHot
from probrl.networks.joint import Joint
from probrl.networks.mlp import MLP, mlp
from probrl.networks.mlp_resnet import MLPResNet
from probrl.networks.tanh import Tanh
from probrl.networks.temporal_spatial import TemporalSpatialResidualNet
from probrl.networks.time_encoders import FourierTime, LearnedTime, SinusoidalTime
from probrl.networks.time_mlp import TimeMLP
from probrl.networks.timed import TimedNetwork
from probrl.networks.unet import UNet1d, UNet2d

__all__ = [
    "CNN",
    "MLP",
    "Chain",
    "DiT1d",
    "DiT2d",
    "Flat",
    "FourierTime",
    "Joined",
    "Joint",
    "LearnedTime",
    "MLPResNet",
    "OneHot",
    "SinusoidalTime",
    "Tanh",
    "TemporalSpatialResidualNet",
    "TimeMLP",
    "TimedNetwork",
    "UNet1d",
    "UNet2d",
    "cnn",
    "mlp",
]
