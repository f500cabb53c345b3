"""One of two processes that train together, for test_trl.py: FOLDER of the decoder, OUTPUT."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import torch
from datasets import Dataset
from trl_synthetic import GROUP, World, arguments

from recast_rl import Signal
from recast_rl.trl import ReCastTrainer

torch.set_num_threads(1)
decoder, output = sys.argv[1:]
world = World(0)
args = arguments(3, Path(output), 1e-3)
args.per_device_train_batch_size = 4 * GROUP
trainer = ReCastTrainer(
    model=decoder,
    args=args,
    train_dataset=Dataset.from_list(world.train),
    processing_class=world.tokenizer,
    signal=Signal.recast(),
    trie=world.trie,
)
assert trainer.accelerator.num_processes == 2
trainer.train()
model = trainer.accelerator.unwrap_model(trainer.model)
torch.save(model.state_dict(), Path(output, f"rank-{trainer.accelerator.process_index}.pt"))
