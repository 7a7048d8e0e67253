"""The same driver where QEMU runs its guest by KVM."""
import os
import time

from harness import TINY, check, check_equal
from run import case
from test_dump import compare_dump
from test_memory import compare_all
from test_regs import compare, number, registers_of


@case(accel='kvm', cpu='qemu64', newest=True)
def every_byte_equals_pmemsave(guest):
    compare_all(guest)


@case(accel='kvm', cpu='qemu64', newest=True)
def registers_equal_qemus_own(guest):
    with guest.halted():
        compare(guest, 0)


@case(accel='kvm', cpu='qemu64', newest=True)
def registers_and_msrs_have_the_values_the_guest_loaded(guest):
    got, unknown = registers_of(guest)
    check_equal(unknown, [], 'unknown registers')
    for name, value in TINY['registers'].items():
        check_equal(number(got[name]), value, name)


@case(accel='kvm', cpu='qemu64', newest=True)
def running_guest_executes_what_was_written(guest):
    for value in ('02', '01'):
        guest.microvmi('write', hex(TINY['immediate']), value).ok()
        deadline = time.monotonic() + 5
        while guest.u64_at(TINY['result']) != int(value, 16):
            check(time.monotonic() < deadline, 'immediate', value,
                  'is not what the guest executes')


@case(accel='kvm', cpu='qemu64')
def elf_dump_has_every_byte(guest):
    path = guest.path('dump')
    with guest.halted():
        guest.microvmi('dump', '-o', path).ok()
        compare_dump(guest, path)
    os.unlink(path)


@case(accel='kvm', cpu='qemu64')
def pause_lasts_after_the_command_until_resume(guest):
    guest.microvmi('pause').ok()
    try:
        check(not guest.truth.running(), 'still running after pause')
    finally:
        guest.microvmi('resume').ok()
    check(guest.truth.running(), 'still stopped after resume')
