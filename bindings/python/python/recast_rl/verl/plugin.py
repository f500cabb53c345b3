"""The module that verl loads in every process; a plug-in that fails to load says so.

verl hides the error of a plug-in, and its user then reads of an unknown trainer alone.
"""

import logging
from importlib.metadata import version

try:
    from recast_rl.verl import trainer as trainer
except Exception as error:
    logging.getLogger("recast_rl").error(
        "recast_rl: the plug-in for verl %s did not load: %s: %s. It is known to work with verl "
        "0.9; pip install 'recast-rl[verl]' has the versions.",
        version("verl"),
        type(error).__name__,
        error,
    )
    raise
