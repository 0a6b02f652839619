"""From the wheel a backend left to one that is true: proven to fit the target, tagged by what it needs, canonical."""

from crossdock.build.repair.goods import hashes_below
from crossdock.build.repair.job import Floor, Grafted, Repaired, RepairJob, RepairReport
from crossdock.build.repair.steps import repair

__all__ = ["Floor", "Grafted", "RepairJob", "RepairReport", "Repaired", "hashes_below", "repair"]
