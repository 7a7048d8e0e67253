"""What only the QEMU driver promises."""
import os
import signal
import time

from harness import check, microvmi_started
from run import case


@case(newest=True, memory='1G')
def vm_runs_on_when_its_holder_is_killed(guest):
    with microvmi_started('dump', guest.target, '-o',
                          guest.path('dump')) as dump:
        deadline = time.monotonic() + 10
        while guest.truth.running() and dump.poll() is None:
            check(time.monotonic() < deadline, 'the VM was not held')
        check(dump.poll() is None, 'the dump was too quick')
        os.kill(dump.pid, signal.SIGKILL)
        dump.wait()
    deadline = time.monotonic() + 3
    while not guest.truth.running():
        check(time.monotonic() < deadline, 'the VM stays stopped')
        time.sleep(0.05)
