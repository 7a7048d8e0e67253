"""Minutes of use, one command after the other, on a guest that is busy.

What may not happen: a failure, a VM left stopped, descriptors or children
that pile up in the VMM, memory of a reader's that was written.
"""
import os
import time

from harness import check, check_equal
from run import case

SECONDS = 240


def descriptors(pid):
    return len(os.listdir('/proc/%d/fd' % pid))


@case(full=True, fresh=True, kind='linux', mode='touch', smp=2,
      ram='memfd')
def minutes_of_every_command_leave_nothing_behind(guest):
    guest.microvmi('regs').ok()
    before = descriptors(guest.pid)
    path = guest.path('dump')
    end = time.monotonic() + SECONDS
    rounds = 0
    while time.monotonic() < end:
        guest.microvmi('info').ok()
        guest.microvmi('regs', '--json').json()
        guest.microvmi('memory-map').ok()
        guest.microvmi('read', '0x100000', '0x100000', '--raw').ok()
        guest.microvmi('read', hex(guest.symbol('linux_banner')), '64',
                       '--virt', '--vcpu', '0').ok()
        if rounds % 8 == 0:
            guest.microvmi('dump', '-o', path).ok()
            os.unlink(path)
        if rounds % 8 == 4:
            guest.microvmi('pause').ok()
            check(not guest.truth.running(), 'pause did not last')
            guest.microvmi('resume').ok()
        check(guest.truth.running(), 'stopped after round', rounds)
        rounds += 1
    check(rounds > 10, 'only', rounds, 'rounds')
    check_equal(descriptors(guest.pid), before, "QEMU's descriptors")
    print('# soak: %d rounds in %d s' % (rounds, SECONDS))
