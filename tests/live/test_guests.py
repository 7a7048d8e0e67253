"""The guests themselves are what the other tests take them for."""
import truth
from harness import TINY, check, check_equal
from run import case


@case(newest=True)
def tiny_guest_counts_and_has_its_registers(guest):
    before = guest.u64_at(TINY['counter'])
    while guest.u64_at(TINY['counter']) == before:
        pass
    with guest.halted():
        found = guest.registers()
    for name, value in TINY['registers'].items():
        if name in found:
            check_equal(found[name], value, name)


@case(newest=True)
def qemu_process_looks_like_a_packaged_one(guest):
    with open('/proc/%d/cmdline' % guest.pid, 'rb') as file:
        check_equal(file.read().split(b'\0')[0], b'qemu-system-x86_64')
    with open('/proc/%d/comm' % guest.pid, encoding='utf-8') as file:
        check(file.read().startswith('qemu-system'), 'name of the process')


@case(kind='linux', mode='spin', smp=2)
def linux_guest_tells_where_its_banner_is(guest):
    check(guest.banner.startswith('Linux version 6.1.'), guest.banner)
    check(guest.symbol('linux_banner') > guest.symbol('_text'))


@case(kind='linux', mode='truth', smp=2)
def population_tells_the_truth_about_itself(guest):
    found = truth.of(guest)
    check(len(found.kallsyms) > 50000, 'symbols:', len(found.kallsyms))
    check((guest.symbol('init_task'), 'D', 'init_task', '') in found.kallsyms,
          'init_task is not where the guest told')
    names = [one.name for one in found.processes.values()]
    for name in ('kthreadd', 'grandchild', 'odd (name) ) x'):
        check(name in names, 'no', name, 'in', names)
    check_equal(found.process('unreaped').state, 'Z')
    target = found.process('target')
    check_equal([one.name for one in target.threads],
                ['target', 'thread-one', 'thread-two', 'thread-three',
                 '(odd) thread )'])
    check_equal(target.strings('cmdline'),
                ['target', '--colour', 'blue and green', '', 'last'])
    check_equal([one['cpu'] for one in found.spinners], [1])
    check_equal(found.process('other-user').uids, [1000, 1001, 1002, 1001])
