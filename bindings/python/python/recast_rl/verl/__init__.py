"""ReCast in verl: the trainer mode and the advantage estimator `recast`.

verl finds the plug-in by itself once the wheel is installed. `python -m recast_rl.verl` says what
is registered.
"""
