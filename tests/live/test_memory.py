"""What read and memory-map say equals QEMU's own view of guest memory."""
import os
import time

from harness import (TINY, check, check_equal, first_difference,
                     microvmi)
from run import case

MIB = 1 << 20
CHUNK = 64 * MIB
SPLIT = 1 << 32

# Two words that QEMU's loader puts below and above the PCI hole: a driver
# that adds up the offsets wrongly reads one for the other.  The first is 2 MiB
# below, since the firmware uses what lies between.
LOADED = ('-device', 'loader,addr=0xbfe00000,data=0x1122334455667788,'
          'data-len=8', '-device', 'loader,addr=0x100000000,'
          'data=0x8877665544332211,data-len=8')
LOADED_Q35 = ('-device', 'loader,addr=0x7fe00000,data=0x1122334455667788,'
              'data-len=8', '-device', 'loader,addr=0x100000000,'
              'data=0x8877665544332211,data-len=8')


def read_raw(guest, address, length):
    result = guest.microvmi('read', hex(address), length, '--raw').ok()
    check_equal(len(result.out), length, 'bytes read')
    return result.out


def compare(guest, address, length):
    """Compare a range with pmemsave, in pieces."""
    for at in range(address, address + length, CHUNK):
        size = min(CHUNK, address + length - at)
        wanted = guest.memory_at(at, size)
        got = read_raw(guest, at, size)
        where = first_difference(got, wanted)
        if where is not None:
            raise AssertionError('byte 0x%x: got %s, pmemsave has %s' % (
                at + where, got[where:where + 16].hex(),
                wanted[where:where + 16].hex()))


def compare_all(guest):
    with guest.halted():
        for start, length in guest.ram_regions():
            compare(guest, start, length)


def compare_edges(guest):
    """Compare what lies on both sides of each border of RAM."""
    with guest.halted():
        regions = guest.ram_regions()
        check(regions[-1][0] >= SPLIT, 'no RAM above 4 GiB:', regions)
        for start, length in regions:
            part = min(length, 32 * MIB)
            compare(guest, start, part)
            compare(guest, start + length - part, part)


@case(kind='linux', mode='touch', newest=True)
def every_byte_of_anonymous_ram_equals_pmemsave(guest):
    compare_all(guest)


@case(kind='linux', mode='touch', ram='memfd', newest=True)
def every_byte_of_memfd_ram_equals_pmemsave(guest):
    compare_all(guest)


@case(kind='linux', mode='touch', ram='file', machine='q35')
def every_byte_of_file_ram_equals_pmemsave(guest):
    compare_all(guest)


@case(memory='4G', ram='memfd', extra=LOADED)
def shared_ram_split_by_the_pci_hole_equals_pmemsave(guest):
    compare_edges(guest)


@case(memory='4G', extra=LOADED, newest=True)
def anonymous_ram_split_by_the_pci_hole_equals_pmemsave(guest):
    compare_edges(guest)


@case(memory='4G', ram='memfd', machine='q35', extra=LOADED_Q35)
def shared_ram_split_by_the_q35_hole_equals_pmemsave(guest):
    compare_edges(guest)


@case(full=True, memory='4G', ram='memfd', extra=LOADED)
def every_byte_of_4_gib_of_shared_ram_equals_pmemsave(guest):
    compare_all(guest)


@case(full=True, memory='4G', machine='q35', extra=LOADED_Q35)
def every_byte_of_4_gib_of_anonymous_ram_equals_pmemsave(guest):
    compare_all(guest)


@case(memory='4G', ram='memfd', extra=LOADED)
def hole_is_an_error_that_names_the_first_missing_byte(guest):
    guest.microvmi('read', '0xbffffff8', '16', '--raw').fails('0xc0000000')


@case(memory='4G', ram='memfd', extra=LOADED)
def hole_is_filled_when_asked(guest):
    length = 2 * MIB
    with guest.halted():
        got = guest.microvmi('read', '0xbfe00000', length + 4096, '--raw',
                             '--zero').ok().out
        wanted = guest.memory_at(0xbfe00000, length) + bytes(4096)
    check_equal(got[:8], bytes.fromhex('8877665544332211'))
    check(got == wanted, 'differs at', first_difference(got, wanted))


@case(memory='4G', ram='memfd', extra=LOADED)
def reading_a_hole_of_shared_ram_allocates_nothing(guest):
    before = shared_kib(guest)
    read_raw(guest, 0x40000000, 256 * MIB)
    after = shared_kib(guest)
    check(after - before < 1024, 'RAM grew from', before, 'to', after, 'KiB')


def shared_kib(guest):
    """Memory that the guest's shared RAM takes on the host."""
    for name in os.listdir('/proc/%d/fd' % guest.pid):
        path = '/proc/%d/fd/%s' % (guest.pid, name)
        if os.readlink(path).startswith('/memfd:'):
            return os.stat(path).st_blocks // 2
    raise AssertionError('QEMU has no memfd')


@case(newest=True)
def memory_map_is_qemus_flat_view(guest):
    check_map(guest)


@case(memory='4G', ram='memfd', extra=LOADED)
def memory_map_shows_the_pci_hole(guest):
    check_map(guest)


def check_map(guest):
    """Each range of RAM that QEMU has is in our map, and no other."""
    regions = []
    for one in guest.microvmi('memory-map', '--json').json()['regions']:
        if one['name'] not in ('pc.ram', 'ram'):
            continue
        start, size = int(one['start'], 16), int(one['size'], 16)
        check_equal(int(one['last'], 16), start + size - 1, 'last')
        if regions and sum(regions[-1]) == start:
            regions[-1] = (regions[-1][0], regions[-1][1] + size)
        else:
            regions.append((start, size))
    check_equal(regions, guest.ram_regions(), 'map')


@case()
def numbers_are_decimal_or_hex(guest):
    text = b'microvmi tiny ok'
    check_equal(read_raw(guest, TINY['text'], 16), text)
    check_equal(guest.microvmi('read', str(TINY['text']), '0x10',
                               '--raw').ok().out, text)


@case()
def memory_is_read_while_the_guest_runs(guest):
    first = int.from_bytes(read_raw(guest, TINY['counter'], 8), 'little')
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if int.from_bytes(read_raw(guest, TINY['counter'], 8),
                          'little') > first:
            return
    raise AssertionError('the counter at 0x%x stands still' % TINY['counter'])


@case()
def virtual_read_by_root_follows_the_page_tables(guest):
    got = guest.microvmi('read', hex(TINY['high'] + 0x10), '16', '--virt',
                         '--root', hex(TINY['root']), '--raw').ok().out
    check_equal(got, b'microvmi tiny ok')


@case()
def virtual_read_of_nothing_says_the_level(guest):
    guest.microvmi('read', '0xffffa00000000000', '16', '--virt', '--root',
                   hex(TINY['root']), '--raw').fails('PML4|level 4')


@case(kind='linux', mode='touch')
def kernel_banner_is_read_through_its_page_tables(guest):
    got = guest.microvmi('read', hex(guest.symbol('linux_banner')),
                         str(len(guest.banner)), '--virt', '--vcpu', '0',
                         '--raw').ok().out
    check_equal(got.decode(), guest.banner)


@case(kind='linux', mode='touch')
def memory_is_read_by_pid_alone(guest):
    with guest.halted():
        start, length = guest.ram_regions()[-1]
        length = min(length, 16 * MIB)
        wanted = guest.memory_at(start, length)
        got = microvmi('read', guest.target_pid, hex(start), str(length),
                       '--raw').ok().out
        check(got == wanted, 'differs at', first_difference(got, wanted))
