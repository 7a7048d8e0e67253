"""`microvmi events` and `microvmi qemu-args`.

The guest of most cases is tests/guests/counting.S, which counts what it does
once a number of rounds is written to its gate: what the command printed must
be as many.  Its RAM is a file, which is read and written here.
"""
import collections
import contextlib
import json
import os
import re
import shlex
import signal
import tempfile
import time

from harness import Skip, check, check_equal, guests_tool, microvmi, \
    microvmi_started
from run import case

GATE, ROUNDS, COUNTERS = 0x110000, 0x110008, 0x110040
NAMES = ('cr3', 'cr0', 'cr4', 'wrmsr', 'rdmsr', 'int3', 'cpuid', 'out', 'in',
         'rdtsc', 'descriptor', 'hypercall', 'break', 'store', 'load', 'ud',
         'pf', 'dr')
# Where the guest waits, it writes to this port.
GATE_PORT = '0xed'
WATCHED = 0x112000
# What the lines of JSON are counted by, of each kind that every QEMU offers.
KINDS = ('--cr3', '--cr0', '--cr4', '--msr', '--int3', '--cpuid', '--rdtsc',
         '--descriptor', '--hypercall', '--dr=1', '--break', '0x120000',
         '--port')
GUEST = {'kind': 'counting', 'ram': 'file', 'memory': '64M', 'plugin': '',
         'newest': True}
LINUX = {'kind': 'linux', 'mode': 'truth', 'smp': 2, 'tries': 3, 'plugin': '',
         'append': 'MICROVMI_STORM=3', 'newest': True}


def wait_until(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, 'in vain for', what)
        time.sleep(0.01)


class Counting:
    """The guest's own counters, and its gate."""

    def __init__(self, guest):
        self.path = guest.path('ram')

    def read(self, address, count=1):
        with open(self.path, 'rb') as file:
            file.seek(address)
            data = file.read(8 * count)
        return [int.from_bytes(data[at:at + 8], 'little')
                for at in range(0, len(data), 8)]

    def open_gate(self, rounds):
        with open(self.path, 'r+b', buffering=0) as file:
            file.seek(GATE)
            file.write(rounds.to_bytes(8, 'little'))

    def is_closed(self):
        return self.read(GATE) == [0]

    def close_gate(self):
        """End rounds that would go on: the guest may write there as well."""
        end = time.monotonic() + 10
        while not self.is_closed():
            check(time.monotonic() < end, 'the gate stays open')
            self.open_gate(1)
            time.sleep(0.05)

    def rounds(self):
        return self.read(ROUNDS)[0]

    def counts(self):
        return dict(zip(NAMES, self.read(COUNTERS, len(NAMES))))


class Watching:
    """A run of `events --json` whose lines go to a file."""

    def __init__(self, guest, *args):
        self.out = tempfile.TemporaryFile()
        self.process = microvmi_started('events', guest.target, *args,
                                        '--json', stdout=self.out)

    def text(self, limit=1 << 40):
        """Return what it has printed, the end of it."""
        size = os.fstat(self.out.fileno()).st_size
        start = max(0, size - limit)
        return os.pread(self.out.fileno(), size - start, start)

    def last(self):
        lines = self.text(4096).split(b'\n')
        # The last is incomplete, or empty after the end of a line.
        return json.loads(lines[-2]) if len(lines) > 1 else None

    def is_at_gate(self, after=0):
        check(self.process.poll() is None, 'events has ended:',
              self.process.stderr.read() if self.process.poll() is not None else '')
        last = self.last()
        return last is not None and last['seq'] > after and \
            last.get('port') == GATE_PORT

    def stop(self, number=signal.SIGINT):
        """End it; return its exit code, its lines and what it said."""
        self.process.send_signal(number)
        err = self.process.communicate(timeout=10)[1].decode()
        lines = self.text().split(b'\n')
        self.out.close()
        return self.process.returncode, \
            [json.loads(line) for line in lines[:-1]], err


@contextlib.contextmanager
def watching(guest, *args):
    watch = Watching(guest, *args)
    try:
        yield watch
    finally:
        if watch.process.poll() is None:
            watch.process.kill()
            watch.process.communicate()


def classify(event):
    """Name an event as the guest's counters do; None: it is the gate's."""
    names = {'cr3-write': 'cr3', 'cr0-write': 'cr0', 'cr4-write': 'cr4',
             'msr-write': 'wrmsr', 'msr-read': 'rdmsr',
             'hw-breakpoint': 'break', 'dr-access': 'dr'}
    kind = event['kind']
    if kind == 'port-io':
        if event['port'] == GATE_PORT:
            return None
        return 'out' if event['access'] == 'w' else 'in'
    if kind == 'memory':
        return 'store' if event['access'] == 'w' else 'load'
    if kind == 'exception':
        return {6: 'ud', 14: 'pf'}.get(event['vector'], kind)
    return names.get(kind, kind)


def run_rounds(guest, rounds, *args):
    """Watch so many rounds; return the guest's counts, and the events."""
    counting = Counting(guest)
    check(counting.is_closed(), 'the gate is open')
    before = counting.counts()
    with watching(guest, *args) as watch:
        wait_until(watch.is_at_gate, 'the first event')
        counting.open_gate(rounds)
        wait_until(counting.is_closed, 'the end of %d rounds' % rounds, 60)
        at = watch.last()['seq']
        wait_until(lambda: watch.is_at_gate(at), 'the gate')
        code, events, err = watch.stop()
    check_equal(code, 0, 'exit code of ' + err)
    own = {name: count - before[name]
           for name, count in counting.counts().items()}
    check_equal(own['cr3'], rounds, 'rounds')
    return own, events, err


def compare(guest, own, events, kinds):
    told = collections.Counter(map(classify, events))
    # The instruction that calls a hypervisor is undefined to this one.
    own = dict(own, ud=own['ud'] + own['hypercall'])
    wrong = {name: (told[name], own[name]) for name in kinds
             if told[name] != own[name]}
    check(not wrong, 'told, counted:', wrong)
    extra = set(told) - set(kinds) - {None}
    check(not extra, 'not asked for:', extra)
    check_equal([one['seq'] for one in events],
                list(range(1, len(events) + 1)), 'numbers of events')
    print('# QEMU %s: %d events equal the guest\'s count: %s' % (
        guest.version, sum(told[name] for name in kinds),
        ' '.join('%s=%d' % (name, told[name]) for name in kinds)))


DECODED = ('cr3', 'cr0', 'cr4', 'wrmsr', 'rdmsr', 'int3', 'cpuid', 'out',
           'in', 'rdtsc', 'descriptor', 'hypercall', 'break', 'dr')


@case(**GUEST)
def counts_equal_those_of_the_guest(guest):
    own, events, err = run_rounds(guest, 1000, *KINDS, '--lossless')
    check(', 0 lost' in err, err)
    compare(guest, own, events, DECODED)


@case(**GUEST)
def counts_equal_those_of_a_guest_that_waits_for_each(guest):
    own, events, err = run_rounds(guest, 200, *KINDS, '--sync')
    check(', 0 lost' in err, err)
    compare(guest, own, events, DECODED)


@case(**GUEST)
def what_was_lost_is_counted(guest):
    own, events, err = run_rounds(guest, 5000, *KINDS)
    lost = sum(one.get('lost', 0) for one in events)
    gate = sum(classify(one) is None for one in events)
    counted = sum(own[name] for name in DECODED)
    check(re.search(r', %d lost' % lost, err), lost, err)
    # The gate's own may be among the lost.
    missing = counted - (len(events) - gate)
    check(0 <= missing <= lost <= missing + 100, 'lost', lost, 'of', counted,
          'missing', missing)
    print('# QEMU %s: %d of %d lost; %s' % (guest.version, lost, counted,
                                            err.strip()))


@case(**GUEST)
def filters_leave_out_what_was_not_asked_for(guest):
    own, events, _ = run_rounds(
        guest, 500, '--msr', 'LSTAR:w', '--msr', 'EFER', '--cpuid=1',
        '--port=0x61:r', '--dr=2', '--vcpu', 0, '--port=' + GATE_PORT,
        '--lossless')
    told = collections.Counter(map(classify, events))
    check_equal(told['wrmsr'], own['wrmsr'], 'writes of LSTAR')
    check_equal(told['cpuid'], own['cpuid'] // 2, 'leaf 1 of CPUID')
    check_equal(told['in'], own['in'], 'reads of port 0x61')
    check_equal(set(told), {'wrmsr', 'cpuid', 'in', None}, 'what was told')
    own, events, _ = run_rounds(guest, 50, '--port', '--cr3', '--cr3-is',
                                '0x130000', '--lossless')
    told = collections.Counter(map(classify, events))
    check_equal(told['cr3'], own['cr3'], 'writes with these page tables')


@case(**GUEST)
def exceptions_and_memory_equal_where_they_are_offered(guest):
    offers = {one['kind'] for one in guest.microvmi(
        'events', '--list', '--json').json()}
    kinds, args = [], []
    if 'exception' in offers:
        kinds += ['ud', 'pf']
        args += ['--exception', 'UD', '--exception', 'PF']
    if 'memory' in offers:
        kinds += ['store', 'load']
        args += ['--mem', 'rw:0x%x+4096' % WATCHED]
    if not kinds:
        raise Skip('QEMU %s offers neither' % guest.version)
    own, events, _ = run_rounds(guest, 500, *args, '--port=' + GATE_PORT,
                                '--lossless')
    compare(guest, own, events, kinds)
    faults = [one for one in events if one.get('exception') == '#PF']
    check(all(one['cr2'] == '0x50000000' and one['error_code'] == '0x0'
              for one in faults), faults[:1])
    check(not any('cr2' in one or 'error_code' in one for one in events
                  if one.get('exception') == '#UD'), 'CR2 of #UD')


@case(**GUEST)
def values_are_those_of_the_guest(guest):
    _, events, _ = run_rounds(guest, 2, *KINDS, '--lossless')
    first = {}
    for event in events:
        first.setdefault(classify(event), event)
    for key, name, wanted in (
            ('cr3', 'value', '0x130000'), ('cr3', 'cr3', '0x130000'),
            ('wrmsr', 'msr_name', 'LSTAR'),
            ('wrmsr', 'value', '0x123400000002'), ('cpuid', 'leaf', '0x1'),
            ('out', 'port', '0x80'), ('out', 'value', '0x5a'),
            ('in', 'port', '0x61'), ('in', 'len', 1),
            ('break', 'rip', '0x120000'), ('descriptor', 'table', 'gdtr'),
            ('descriptor', 'access', 'w'), ('dr', 'dr', 1)):
        check_equal(first[key].get(name), wanted, '%s of %s' % (name, key))
    check_equal(first['cr4']['set'] + first['cr4']['cleared'], ['TSD'],
                'changes of CR4')
    check_equal(first['cr0']['set'] + first['cr0']['cleared'], ['EM'],
                'changes of CR0')
    check(abs(first['cr3']['time'] - time.time()) < 60, 'time', first['cr3'])


@case(**GUEST)
def text_has_a_line_an_event(guest):
    result = guest.microvmi('events', '--port', '--count', 3, '--no-guest')
    result.ok()
    lines = result.out.decode().splitlines()
    check_equal(len(lines), 4, 'lines')
    check(re.search(r'^ +1 +\d+\.\d{6} +0  port-io +out 0xed\+1 ', lines[1]),
          lines)
    check('3 events in' in result.err, result.err)


@case(**GUEST)
def duration_ends_it(guest):
    result = guest.microvmi('events', '--shutdown', '--duration', 0.3).ok()
    check(0.25 < result.seconds < 3, 'it took', result.seconds)
    check('0 events in 0.3' in result.err, result.err)


@case(**GUEST)
def guest_goes_on_after_a_kill(guest):
    counting = Counting(guest)
    worst = 0
    for number in range(10):
        with watching(guest, *KINDS, '--step' if number % 2 else '--xcr0',
                      '--sync') as watch:
            wait_until(lambda: watch.last() is not None, 'the first event')
            counting.open_gate(1 << 40)
            wait_until(lambda: watch.last()['kind'] == 'cr3-write' or
                       watch.last()['seq'] > 2000, 'rounds')
            watch.process.kill()
            begin = time.monotonic()
            before = counting.rounds()
            wait_until(lambda: counting.rounds() > before + 100,
                       'the guest to go on', 5)
            took = time.monotonic() - begin
            worst = max(worst, took)
            check(took < 1, 'the guest stood still for', took, 's')
        result = guest.microvmi('events', '--cr3', '--count', 5, '--json')
        check_equal(len(result.ok().out.splitlines()), 5, 'lines')
        counting.close_gate()
    print('# QEMU %s: 10 kills, the guest goes on within %.3f s' % (
        guest.version, worst))


@case(**GUEST)
def second_controller_is_told_of_the_first(guest):
    with watching(guest, '--port') as watch:
        wait_until(watch.is_at_gate, 'the first event')
        result = guest.microvmi('events', '--cr3', '--count', 1)
        result.fails(str(watch.process.pid))
        check_equal(result.code, 5, 'exit code')
        guest.microvmi('regs').ok()
        check_equal(watch.stop()[0], 0, 'exit code')


@case(**GUEST)
def stopped_command_holds_the_guest_no_longer_than_the_deadline(guest):
    counting = Counting(guest)
    with watching(guest, '--cr3', '--port', '--sync') as watch:
        wait_until(watch.is_at_gate, 'the first event')
        watch.process.send_signal(signal.SIGSTOP)
        counting.open_gate(200)
        begin = time.monotonic()
        # The monitor answers meanwhile, and after one deadline of 2 s the
        # guest is not held again.
        guest.truth.execute('query-status')
        wait_until(counting.is_closed, 'the rounds', 5)
        took = time.monotonic() - begin
        check(took < 4, 'the guest was held for', took, 's')
        watch.process.send_signal(signal.SIGCONT)
        check_equal(watch.stop()[0], 0, 'exit code')
    print('# QEMU %s: 200 rounds in %.1f s while the command is stopped' % (
        guest.version, took))


@case(**GUEST)
def vm_can_be_read_while_events_come(guest):
    with watching(guest, *KINDS) as watch:
        wait_until(watch.is_at_gate, 'the first event')
        Counting(guest).open_gate(1 << 40)
        for _ in range(2):
            check_equal(guest.microvmi('regs', '--json').json()[0]['vcpu'], 0,
                        'vCPU')
            raw = guest.microvmi('read', '0x120000', 4, '--raw').ok().out
            check_equal(raw, b'\x48\xff\xc3\xc3', 'code of the target')
        before = watch.last()['seq']
        wait_until(lambda: watch.last()['seq'] > before, 'more events')
        Counting(guest).close_gate()
        watch.process.send_signal(signal.SIGINT)
        check_equal(watch.process.wait(10), 0, 'exit code')


@case(fresh=True, extra=('-action', 'reboot=reset'), **GUEST)
def reset_is_told_and_events_go_on(guest):
    with watching(guest, '--reset', '--port=' + GATE_PORT) as watch:
        wait_until(watch.is_at_gate, 'the first event')
        guest.truth.execute('system_reset')
        wait_until(lambda: b'"reset"' in watch.text(), 'the reset')
        at = watch.last()['seq']
        wait_until(lambda: watch.is_at_gate(at), 'the gate')
        code, events, err = watch.stop()
    check_equal(code, 0, 'exit code of ' + err)
    # The firmware may reset the machine again.
    resets = [one for one in events if one['kind'] == 'reset']
    check(1 <= len(resets) <= 3, 'resets:', resets)
    check(not any('rip' in one for one in resets), resets)
    check_equal(guest.read_file('serial').count(b'READY'), 2, 'starts')


@case(fresh=True, **GUEST)
def end_of_the_vm_ends_it(guest):
    with watching(guest, '--port') as watch:
        wait_until(watch.is_at_gate, 'the first event')
        guest.truth.execute('quit')
        err = watch.process.communicate(timeout=10)[1].decode()
        check_equal(watch.process.returncode, 6, 'exit code of ' + err)
        check('events in' in err, err)


@case(extra=('-sandbox', 'on,obsolete=deny,elevateprivileges=deny,'
             'spawn=deny,resourcecontrol=deny'), **GUEST)
def events_come_from_within_the_sandbox_of_libvirt(guest):
    own, events, _ = run_rounds(guest, 100, *KINDS, '--lossless')
    compare(guest, own, events, DECODED)


@case(newest=True)
def vm_without_the_plugin_says_what_it_lacks(guest):
    result = guest.microvmi('events', '--cr3')
    result.fails('offers no events', 'microvmi qemu-args')
    check_equal(result.code, 1, 'exit code')
    check_equal(guest.microvmi('events', '--list', '--json').json(), [],
                'kinds')


@case(newest=True)
def arguments_for_qemu_are_good_for_this_one(guest):
    program = guests_tool('qemu', '--path', guest.version)
    result = microvmi('qemu-args', '--qemu', program).ok()
    check(re.search(r'is QEMU %s\..* will offer \d+ kinds of events: '
                    r'cr0-write, cr3-write' % re.escape(guest.version),
                    result.err), result.err)
    words = shlex.split(result.out.decode())
    check_equal(words[:3], ['-accel', 'tcg', '-plugin'], 'words')
    check_equal(words, microvmi('qemu-args', '--json').json()['args'],
                'words of --json')
    check(os.path.isabs(words[3]) and os.access(words[3], os.R_OK), words)


@case(looks=True, **LINUX)
def switches_of_linux_have_names(guest):
    """The talk's demo: who runs, by the writes of CR3."""
    result = guest.microvmi('events', '--cr3', '--count', 1000, '--json')
    lines = [json.loads(line) for line in result.ok().out.splitlines()]
    check_equal(len(lines), 1000, 'lines')
    check_equal({one['kind'] for one in lines}, {'cr3-write'}, 'kinds')
    check({one['vcpu'] for one in lines} <= {0, 1}, 'vCPUs')
    names = {one['name'] for one in guest.microvmi(
        'ps', '--json', '--no-profile').json()}
    named = [one for one in lines if 'process' in one or 'new_process' in one]
    told = {one[key] for one in lines for key in ('process', 'new_process')
            if key in one}
    check(told - names <= {'short-lived', 'init', 'sh'}, told - names)
    check(len(named) >= 500 and len(told) >= 2, len(named), told)
    places = [one for one in lines if 'rip_symbol' in one]
    check(len(places) >= 900, 'with a symbol:', len(places))
    print('# QEMU %s: %d of 1000 with a process (%s), %d with a symbol; %s' % (
        guest.version, len(named), ', '.join(sorted(told)), len(places),
        result.err.strip()))


@case(looks=True, **LINUX)
def events_of_one_process_are_its_own(guest):
    found = [one for one in guest.microvmi('ps', '--json').json()
             if one['name'] == 'spinner']
    for how in (('--process', 'spinner'), ('--pid', found[0]['pid'])):
        result = guest.microvmi('events', '--break', 'do_syscall_64',
                                '--cr3', *how, '--count', 20, '--duration',
                                20, '--json')
        lines = [json.loads(line) for line in result.ok().out.splitlines()]
        check(lines, 'none came')
        check_equal({one['process'] for one in lines}, {'spinner'}, how)
    guest.microvmi('events', '--cr3', '--process', 'nobody').fails(
        'no process', 'nobody')


@case(looks=True, **LINUX)
def processes_can_be_listed_while_events_come(guest):
    with watching(guest, '--cr3') as watch:
        wait_until(lambda: watch.last() is not None, 'the first event')
        for _ in range(2):
            names = {one['name'] for one in guest.microvmi(
                'ps', '--json').json()}
            check('spinner' in names, names)
        before = watch.last()['seq']
        wait_until(lambda: watch.last()['seq'] > before, 'more events')
        check_equal(watch.stop()[0], 0, 'exit code')


@case(looks=True, **LINUX)
def breakpoint_in_the_kernel_of_linux_has_its_name(guest):
    result = guest.microvmi('events', '--break', 'do_syscall_64', '--count',
                            50, '--json')
    lines = [json.loads(line) for line in result.ok().out.splitlines()]
    check_equal({one['rip_symbol'] for one in lines}, {'do_syscall_64'},
                'symbols')
    check(guest.truth.running(), 'the VM stands still')
