"""Says what the plug-in registered with verl: `python -m recast_rl.verl`."""

import sys
from importlib.metadata import version


def main() -> int:
    """0 if verl knows the trainer and the estimator."""
    try:
        from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY
        from verl.trainer.ppo.v1.trainer_base import TRAINER_REGISTRY
    except ImportError as error:
        print(f"verl does not load ({error}): pip install 'recast-rl[verl]' has what it needs")
        return 1

    print(f"recast-rl {version('recast-rl')}, verl {version('verl')}")
    missing = False
    for name, registry in (
        ("trainer.v1.trainer_mode", TRAINER_REGISTRY),
        ("algorithm.adv_estimator", ADV_ESTIMATOR_REGISTRY),
    ):
        found = registry.get("recast")
        missing |= found is None
        print(f"{name}=recast: {'not registered' if found is None else 'registered'}")
    if missing:
        print("VERL_USE_EXTERNAL_PLUGINS=none, or a name without recast, leaves the plug-in out")
    return int(missing)


if __name__ == "__main__":
    sys.exit(main())
