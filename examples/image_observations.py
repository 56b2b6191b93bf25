"""Image observations: convolutions that policy and critic share; images stay bytes until they are on the device."""

import gymnasium
import numpy as np
from gymnasium import spaces

import probrl as pr


class BrightHalf(gymnasium.Env):
    """A noisy image of 36 by 36 pixels with one brighter half: name that half, ten times per episode."""

    observation_space = spaces.Box(0, 255, (36, 36, 1), np.uint8)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.shown = 0
        return self.picture(), {}

    def picture(self):
        self.half = int(self.np_random.integers(2))
        picture = self.np_random.integers(0, 100, (36, 36, 1)).astype(np.uint8)
        picture[:, 18 * self.half : 18 * self.half + 18] += 60
        return picture

    def step(self, action):
        reward = float(action == self.half)
        self.shown += 1
        return self.picture(), reward, self.shown == 10, False, {}


# One network encodes the image; policy and critic are one linear layer each on its output.
agent = pr.PPO(
    BrightHalf,
    seed=1,
    shared_encoder=True,
    num_envs=8,
    num_steps=32,
    num_minibatches=4,
    update_epochs=2,
    learning_rate=1e-3 * (1 - pr.progress),
)
print(agent.encoder.net)
print(agent.text())  # f is the encoder, which runs once per distinct observation

print("before:", agent.evaluate(episodes=8))
agent.learn(2_048)
print("after: ", agent.evaluate(episodes=8))  # the best possible return is 10

# Predict for one image, or for a batch of them.
environment = BrightHalf()
picture, _ = environment.reset(seed=7)
print("bright half:", environment.half, "predicted:", agent.predict(picture))
