"""The synthetic catalogue and the tiny decoder of the example."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import torch  # noqa: E402
import transformers  # noqa: E402
import trl_synthetic  # noqa: E402

torch.set_num_threads(1)
transformers.utils.logging.disable_progress_bar()


@pytest.fixture(scope="session")
def world():
    return trl_synthetic.World(0)


@pytest.fixture(scope="session")
def decoder(world, tmp_path_factory):
    """The folder of a decoder after a few supervised steps."""
    folder = tmp_path_factory.mktemp("decoder")
    world.supervised(0, folder, steps=20)
    return folder
