"""Registers equal QEMU's own, and those that only we show their known values."""
from harness import TINY, check, check_equal
from run import case


def number(value):
    return int(value, 16) if isinstance(value, str) else value


def registers_of(guest, vcpu=0):
    """Return one vCPU's registers with numbers for strings."""
    for one in guest.microvmi('regs', '--json').json():
        if one['vcpu'] == vcpu:
            return one['registers'], one['unknown']
    raise AssertionError('regs shows no vCPU %d' % vcpu)


def compare(guest, vcpu):
    wanted = guest.registers(vcpu)
    got, unknown = registers_of(guest, vcpu)
    for name, value in wanted.items():
        if name in ('xmm', 'ymm'):
            check_equal(len(value), 16, 'registers in ' + name)
            for at, content in value.items():
                check_equal(number(got[name][at]), content,
                            '%s%d' % (name, at))
            continue
        check(name not in unknown, name, 'is unknown')
        check(name in got, name, 'is not shown; there are', sorted(got))
        if isinstance(value, int):
            check_equal(number(got[name]), value, name)
            continue
        for part, content in value.items():
            mask = 0xf0ff if part == 'attributes' else -1
            check_equal(number(got[name][part]) & mask, content,
                        '%s.%s' % (name, part))


@case(newest=True)
def registers_equal_qemus_own(guest):
    with guest.halted():
        compare(guest, 0)


@case(kind='linux', mode='spin', smp=2, newest=True)
def registers_of_each_vcpu_equal_qemus_own(guest):
    with guest.halted():
        compare(guest, 0)
        compare(guest, 1)


@case(cpu='qemu64', newest=True)
def registers_equal_without_avx(guest):
    with guest.halted():
        compare(guest, 0)


@case(newest=True)
def registers_and_msrs_have_the_values_the_guest_loaded(guest):
    got, unknown = registers_of(guest)
    check_equal(unknown, [], 'unknown registers')
    for name, value in TINY['registers'].items():
        check_equal(number(got[name]), value, name)


@case(newest=True)
def reading_registers_leaves_the_guest_running(guest):
    registers_of(guest)
    check(guest.truth.running(), 'the VM stands still')
    before = guest.u64_at(TINY['counter'])
    registers_of(guest)
    check(guest.u64_at(TINY['counter']) > before, 'the guest stands still')
