"""Settings of all tests."""

import os

from hypothesis import settings

# The examples of a run are always the same; RECAST_EXAMPLES says how many there are.
settings.register_profile(
    "recast",
    max_examples=int(os.environ.get("RECAST_EXAMPLES", "200")),
    derandomize=True,
    deadline=None,
    database=None,
)
settings.load_profile("recast")
