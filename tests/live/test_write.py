"""What is written is seen, by data reads and by instruction fetches."""
import time

from harness import TINY, check, check_equal
from run import case

SPARE = 0x150000


def becomes(guest, value):
    """Wait until the guest's function returns a value; it runs all along."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if guest.u64_at(TINY['result']) == value:
            return True
    return False


@case(newest=True)
def written_bytes_are_in_guest_memory(guest):
    guest.microvmi('write', hex(SPARE), 'de ad be ef').ok()
    check_equal(guest.memory_at(SPARE, 4), bytes.fromhex('deadbeef'))
    check(guest.truth.running(), 'the VM stands still')


@case(ram='memfd', newest=True)
def data_only_write_is_in_guest_memory(guest):
    guest.microvmi('write', hex(SPARE), '0102030405', '--data-only').ok()
    check_equal(guest.memory_at(SPARE, 5), bytes.fromhex('0102030405'))


@case(newest=True)
def running_guest_fetches_the_instruction_that_was_written(guest):
    check(becomes(guest, 1), 'the guest does not run patch_me')
    for value in ('02', '7f', '01'):
        guest.microvmi('write', hex(TINY['immediate']), value).ok()
        check(guest.truth.running(), 'the VM stands still')
        check(becomes(guest, int(value, 16)), 'immediate', value,
              'is not what the guest executes')


@case(ram='memfd')
def instruction_in_shared_ram_is_fetched_anew_too(guest):
    guest.microvmi('write', hex(TINY['immediate']), '05').ok()
    check(becomes(guest, 5), 'the guest executes the old instruction')
    guest.microvmi('write', hex(TINY['immediate']), '01').ok()


@case()
def write_to_a_stopped_vm_leaves_it_stopped(guest):
    with guest.halted():
        guest.microvmi('write', hex(SPARE), '55').ok()
        check(not guest.truth.running(), 'the VM was started')
        check_equal(guest.memory_at(SPARE, 1), b'\x55')


@case()
def virtual_write_ends_where_the_page_tables_lead(guest):
    guest.microvmi('write', hex(SPARE), '0badcafe', '--virt', '--root',
                   hex(TINY['root'])).ok()
    check_equal(guest.memory_at(SPARE, 4), bytes.fromhex('0badcafe'))


@case(memory='4G', ram='memfd')
def write_to_a_hole_is_an_error(guest):
    guest.microvmi('write', '0xd0000000', '00').fails('0xd0000000')


@case(newest=True)
def monitor_and_gdbstub_are_left_as_they_were(guest):
    before = guest.truth.hmp('info chardev')
    guest.microvmi('write', hex(SPARE), '00').ok()
    check_equal(guest.truth.hmp('info chardev'), before, 'info chardev')
