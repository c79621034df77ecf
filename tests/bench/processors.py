"""What else the machine did: a number taken beside other work is no measurement."""
import os
import resource
import time
from pathlib import Path


class Watch:
    """From its making on. What this program started counts as its own once it has been waited for."""

    def __init__(self):
        self.started_at = time.monotonic()
        self.busy_before, self.own_before = self._busy_seconds(), self._own_seconds()

    @staticmethod
    def _busy_seconds():
        """Of all processors since the system started, with what the host took away (steal)."""
        user, nice, system, _idle, _wait, irq, soft_irq, steal = (
            int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
        return (user + nice + system + irq + soft_irq + steal) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _own_seconds():
        usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    def share_of_others(self):
        """Of the processors' time, between 0 and 1."""
        others = self._busy_seconds() - self.busy_before - (self._own_seconds() - self.own_before)
        return max(0, others) / ((time.monotonic() - self.started_at) * os.cpu_count())
