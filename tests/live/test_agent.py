"""The agent in QEMU: each kind of event and reply, as the guest sees them.

The guest is tests/guests/events.S, which does one of each thing a round, and
counts. What it saw is read from the file that is its RAM.
"""
import contextlib
import os
import random
import re
import struct
import subprocess
import sys
import time

from harness import check, check_equal, guests_tool
from run import case
from wire import CONTROL, GENERAL, Agent, Refused

ALL = 63
R, W, X = 1, 2, 4
RESULTS, EXCEPTIONS, FAULT_RIP, FAULT_CODE = (0x110200, 0x110008, 0x110108,
                                              0x110110)
CPUID, RDMSR, RDTSC, IN, CR4, CR0, CR3, READ, FLAGS = (
    RESULTS + at for at in (0, 0x20, 0x28, 0x30, 0x38, 0x40, 0x48, 0x50, 0x58))
ROUNDS, WATCHED = 0x110000, 0x112000
GUEST = {'kind': 'events', 'ram': 'file', 'memory': '64M', 'machine': 'q35',
         'plugin': '', 'newest': True}
BARE = dict(GUEST, plugin='internals=off')
LINUX = {'kind': 'linux', 'mode': 'spin', 'smp': 2, 'machine': 'q35',
         'plugin': '', 'newest': True}


class Session:
    """A controller of the guest, and what the guest left in its RAM."""

    def __init__(self, guest):
        self.guest = guest
        self.agent = Agent(guest.pid)
        self.labels = {}
        path = guests_tool('tiny', 'events').replace('.elf', '.symbols')
        with open(path, encoding='ascii') as file:
            for line in file:
                value, _, name = line.split()
                self.labels[name] = int(value, 16)

    def u64(self, address):
        with open(self.guest.path('ram'), 'rb') as file:
            file.seek(address)
            return int.from_bytes(file.read(8), 'little')

    def catch(self, kind, groups=GENERAL, **how):
        """Wait for one event of a kind, which is left without a reply."""
        token = self.agent.enable(kind, groups=groups, **how)
        event = self.agent.next()
        self.agent.disable(token)
        check(event, 'no', kind, 'came')
        check_equal(event.kind, kind, 'kind')
        return event

    def reply_and_finish(self, event, action='continue', **reply):
        """Reply, and let the guest go on to the next CR3 write."""
        token = self.agent.enable('cr3-write', groups=ALL)
        check(self.agent.reply(event, action, **reply), 'the event was gone')
        after = self.agent.next()
        self.agent.disable(token)
        check(after, 'the guest did not come round')
        return after

    def runs(self):
        before = self.u64(ROUNDS)
        end = time.monotonic() + 5
        while self.u64(ROUNDS) < before + 10:
            check(time.monotonic() < end, 'the guest stands still')
            time.sleep(0.01)


@contextlib.contextmanager
def control(guest):
    session = Session(guest)
    try:
        yield session
    finally:
        session.agent.close()
    session.runs()


def round_trip(guest, kind, action='continue', groups=GENERAL, reply=None,
               **how):
    """Catch an event, reply, and tell (event, session's reader) at the next
    round; the guest is let go after that."""
    with control(guest) as session:
        event = session.catch(kind, groups=groups, **how)
        check_equal(event.regs['rip'], event.rip, 'rip in the registers')
        after = session.reply_and_finish(event, action, **(reply or {}))
        found = {name: session.u64(at) for name, at in (
            ('cpuid', CPUID), ('rdmsr', RDMSR), ('rdtsc', RDTSC), ('in', IN),
            ('cr4', CR4), ('cr0', CR0), ('cr3', CR3), ('read', READ),
            ('flags', FLAGS))}
        session.agent.reply(after)
    return event, found


@case(**GUEST)
def each_kind_comes_at_its_instruction(guest):
    with control(guest) as session:
        for kind, label in (
                ('cr0-write', 'at_cr0'), ('cr3-write', 'at_cr3'),
                ('cr4-write', 'at_cr4'), ('msr-write', 'at_wrmsr'),
                ('msr-read', 'at_rdmsr'), ('cpuid', 'at_cpuid'),
                ('int3', 'at_int3'), ('rdtsc', 'at_rdtsc')):
            event = session.catch(kind)
            check_equal(event.rip, session.labels[label], kind)
            check_equal(event.regs['rip'], event.rip, kind)
            session.agent.reply(event)


@case(**GUEST)
def values_are_what_the_instruction_writes(guest):
    event, found = round_trip(guest, 'cr0-write')
    check_equal(event.value ^ event.old_value, 4, 'CR0 bits changed')
    check_equal(found['cr0'], event.value, 'CR0 as the guest read it')
    event, _ = round_trip(guest, 'msr-write', index=0xc0000082)
    check_equal(event.value, event.old_value + 1, 'LSTAR')
    event, _ = round_trip(guest, 'port-io', index=0x80)
    check_equal((event.value, event.span, event.access), (0x5a, 1, W), 'out')
    event, _ = round_trip(guest, 'dr-access', index=1)
    check(event.access in (R, W), event)


@case(**GUEST)
def skip_and_deny_leave_the_instruction_out(guest):
    event, found = round_trip(guest, 'cr0-write', 'skip')
    check_equal(found['cr0'], event.old_value, 'CR0')
    event, found = round_trip(guest, 'cr4-write', 'deny')
    check_equal(found['cr4'], event.old_value, 'CR4')


@case(**GUEST)
def emulate_gives_the_guest_the_data(guest):
    data = struct.pack('<Q', 0x1122334455667788)
    _, found = round_trip(guest, 'rdtsc', 'emulate', reply={'data': data})
    check_equal(found['rdtsc'], 0x1122334455667788, 'rdtsc')
    _, found = round_trip(guest, 'msr-read', 'emulate', reply={'data': data})
    check_equal(found['rdmsr'], 0x1122334455667788, 'rdmsr')
    _, found = round_trip(guest, 'port-io', 'emulate', index=0x61,
                          reply={'data': b'\x77'})
    check_equal(found['in'], 0x77, 'in')
    _, found = round_trip(guest, 'cpuid', 'emulate',
                          reply={'data': struct.pack('<4I', 1, 2, 3, 4)})
    check_equal(found['cpuid'], 1, 'cpuid')


@case(**GUEST)
def an_int3_is_the_guests_unless_it_is_skipped(guest):
    with control(guest) as session:
        token = session.agent.enable('int3')
        counts = []
        for action in ('skip', 'reinject', 'continue', 'step'):
            event = session.agent.next()
            counts.append(session.u64(EXCEPTIONS + 3 * 8))
            session.agent.reply(event, action)
        event = session.agent.next()
        counts.append(session.u64(EXCEPTIONS + 3 * 8))
        session.agent.disable(token)
        session.agent.reply(event)
    check_equal([b - a for a, b in zip(counts, counts[1:])], [0, 1, 1, 1],
                '#BP the guest took')


@case(**GUEST)
def an_injected_exception_comes_instead(guest):
    with control(guest) as session:
        event = session.catch('cr3-write')
        before = session.u64(EXCEPTIONS + 13 * 8)
        token = session.agent.enable('cr0-write')
        session.agent.reply(event, 'inject', inject=(13, 0x1230))
        event = session.agent.next()
        session.agent.disable(token)
        check_equal(session.u64(EXCEPTIONS + 13 * 8), before + 1, '#GP')
        check_equal(session.u64(FAULT_CODE), 0x1230, 'error code')
        check_equal(session.u64(FAULT_RIP), session.labels['at_cr3'], 'rip')
        session.agent.reply(event)


@case(**GUEST)
def a_parked_vcpu_takes_an_injected_page_fault(guest):
    with control(guest) as session:
        before = session.u64(EXCEPTIONS + 14 * 8)
        session.agent.hold()
        session.agent.inject(0, 0, 14, 6, 0xdead0000)
        try:
            session.agent.inject(0, 0, 14, 6, 0xdead0000)
            check(False, 'a second injection was taken')
        except Refused as refused:
            check('another' in refused.text, refused.text)
        session.agent.release()
        session.runs()
        check_equal(session.u64(EXCEPTIONS + 14 * 8), before + 1, '#PF')
        session.agent.hold()
        check_equal(session.agent.regs(0, CONTROL)['cr2'], 0xdead0000, 'CR2')
        session.agent.release()


@case(**GUEST)
def exceptions_come_before_delivery_and_can_be_replaced(guest):
    with control(guest) as session:
        event = session.catch('exception', vectors=[3])
        check_equal(event.rip, session.labels['at_int3'], 'rip')
        before = session.u64(EXCEPTIONS + 8)
        after = session.reply_and_finish(event, 'inject', inject=(1,))
        check_equal(session.u64(EXCEPTIONS + 8), before + 1, '#DB')
        session.agent.reply(after)


@case(**GUEST)
def a_breakpoint_has_exact_flags_and_takes_registers(guest):
    with control(guest) as session:
        target = session.labels['target']
        event = session.catch('hw-breakpoint', start=target)
        # sub $1 from 0, then stc: CF, PF, AF, SF.
        check_equal(event.regs['rflags'], 0x97, 'rflags')
        after = session.reply_and_finish(event, rflags=0x803, rbx=5)
        check_equal(session.u64(FLAGS), 0x7, 'flags after inc of 5')
        session.agent.reply(after)
        event = session.catch('hw-breakpoint', start=session.labels['at_store'])
        old = session.u64(WATCHED + 0x10)
        after = session.reply_and_finish(event, rip=session.labels['at_load'])
        check_equal(session.u64(WATCHED + 0x10), old, 'what was not stored')
        session.agent.reply(after)


@case(**GUEST)
def a_breakpoint_ahead_in_the_same_block_is_hit(guest):
    with control(guest) as session:
        event = session.catch('hw-breakpoint', start=session.labels['at_store'])
        token = session.agent.enable('hw-breakpoint',
                                     start=session.labels['at_load'])
        session.agent.reply(event)
        event = session.agent.next()
        session.agent.disable(token)
        check_equal(event.gva, session.labels['at_load'], 'address')
        session.agent.reply(event)


@case(**GUEST)
def steps_are_told_one_by_one(guest):
    with control(guest) as session:
        event = session.catch('hw-breakpoint', start=session.labels['target'])
        token = session.agent.enable('step', groups=GENERAL)
        session.agent.reply(event)
        places = []
        for _ in range(4):
            event = session.agent.next()
            places.append(event.regs['rip'] - session.labels['target'])
            if len(places) == 4:
                session.agent.disable(token)
            session.agent.reply(event)
    check_equal(places[0], 3, 'rip past inc')
    check_equal(places[2] - places[1], 1, 'length of pushf')


@case(**GUEST)
def memory_accesses_come_before_they_are_made(guest):
    with control(guest) as session:
        for access, label in ((W, 'at_store'), (R, 'at_load')):
            event = session.catch('memory', start=WATCHED, span=4096,
                                  access=access, range_filter=True)
            check_equal(
                (event.gpa, event.gva, event.span, event.access, event.rip),
                (WATCHED + 0x10, WATCHED + 0x10, 8, access,
                 session.labels[label]), label)
            if access == W:
                check_equal(session.u64(WATCHED + 0x10),
                            event.regs['rax'] - 1, 'memory before the store')
            session.agent.reply(event)
        event = session.catch('memory', start=0x120000, span=4096, access=X,
                              range_filter=True)
        check_equal(event.gpa & ~3, session.labels['target'], 'executed')
        session.agent.reply(event)


@case(**GUEST)
def a_store_can_be_vetoed_and_changed(guest):
    how = {'start': WATCHED, 'span': 4096, 'access': W, 'range_filter': True}
    with control(guest) as session:
        event = session.catch('memory', **how)
        old = session.u64(WATCHED + 0x10)
        after = session.reply_and_finish(event, rip=session.labels['at_load'])
        check_equal(session.u64(WATCHED + 0x10), old, 'memory')
        session.agent.reply(after)
        event = session.catch('memory', **how)
        after = session.reply_and_finish(event, rax=0x4242)
        check_equal(session.u64(READ), 0x4242, 'what was stored')
        session.agent.reply(after)


@case(**GUEST)
def a_write_of_code_is_fetched(guest):
    with control(guest) as session:
        event = session.catch('cr3-write')
        session.agent.write(session.labels['target'], b'\x0f\x1f\x00')
        event = session.reply_and_finish(event)
        check_equal(session.u64(FLAGS), 0x97, 'flags without the inc')
        session.agent.write(session.labels['target'], b'\x48\xff\xc3')
        event = session.reply_and_finish(event)
        check(session.u64(FLAGS) != 0x97, 'the inc is not back')
        session.agent.reply(event)


@case(**GUEST)
def filters_let_nothing_else_through(guest):
    with control(guest) as session:
        for how in ({'value': (1, 1)}, {'cr3': (0x4000, 2**64 - 1)},
                    {'vcpus': 2}):
            token = session.agent.enable('cr3-write', **how)
            event = session.agent.next(0.2)
            session.agent.disable(token)
            check(event is None, how, event)
        check(session.agent.state()['filtered'] > 0, 'none was filtered')


@case(**GUEST)
def hold_and_pending_events_are_independent(guest):
    with control(guest) as session:
        event = session.catch('cr3-write')
        session.agent.hold()
        session.agent.reply(event)
        before = session.u64(ROUNDS)
        time.sleep(0.1)
        check_equal(session.u64(ROUNDS), before, 'rounds under the hold')
        session.agent.release()
        session.runs()


@case(**GUEST)
def a_held_vm_can_be_stopped_and_looked_at(guest):
    with control(guest) as session:
        session.agent.hold()
        begin = time.monotonic()
        check(guest.truth.running(), 'the VM is stopped')
        regs = session.agent.regs(0)
        said = guest.truth.hmp('info registers')
        for name, theirs in (('rip', 'RIP'), ('rflags', 'RFL'),
                             ('rsp', 'RSP'), ('cr3', 'CR3'), ('rbx', 'RBX')):
            found = re.search(r'\b%s=([0-9a-f]+)' % theirs, said)
            check_equal(regs[name], int(found.group(1), 16), name)
        guest.truth.execute('stop')
        check(time.monotonic() - begin < 1, 'QEMU waited for the hold')
        session.agent.release()
        guest.truth.execute('cont')


@case(fresh=True, **GUEST)
def a_vm_that_is_held_with_an_event_answered_can_end(guest):
    session = Session(guest)
    event = session.catch('cr3-write')
    session.agent.hold()
    session.agent.reply(event)
    begin = time.monotonic()
    guest.process.terminate()
    guest.process.wait(10)
    check(time.monotonic() - begin < 1, 'QEMU waited for the hold')
    session.agent.close()


@case(**GUEST)
def an_overdue_event_is_continued_and_its_reply_is_stale(guest):
    agent = Agent(guest.pid, deadline_ms=100)
    token = agent.enable('cr3-write')
    event = agent.next()
    agent.disable(token)
    time.sleep(0.3)
    check_equal(agent.state()['overdue'], 1, 'overdue events')
    check(not agent.reply(event), 'a stale reply was taken')
    agent.close()


@case(**GUEST)
def asynchronous_events_go_through_the_ring(guest):
    with control(guest) as session:
        token = session.agent.enable('cr3-write', asyn=True)
        time.sleep(0.3)
        session.agent.disable(token)
        events, _ = session.agent.drain()
        check(len(events) > 10, len(events), 'events')
        check_equal({event.rip for event in events},
                    {session.labels['at_cr3']}, 'rip')


@case(**GUEST)
def a_second_controller_is_told_of_the_first(guest):
    with control(guest):
        try:
            Agent(guest.pid)
            check(False, 'there were two')
        except Refused as refused:
            check(str(os.getpid()) in refused.text, refused.text)
        Agent(guest.pid, controller=False).close()


@case(**dict(GUEST, extra=('-action', 'reboot=reset')))
def reset_is_an_event_and_a_new_incarnation(guest):
    with control(guest) as session:
        before = session.agent.state()['incarnation']
        session.agent.enable('reset', asyn=True)
        guest.truth.execute('system_reset')
        end = time.monotonic() + 10
        kinds = []
        while not kinds and time.monotonic() < end:
            kinds = [event.kind for event in session.agent.drain()[0]]
        check('reset' in kinds, kinds)
        check(session.agent.state()['incarnation'] > before, 'incarnation')
        rounds = session.u64(ROUNDS)
        while session.u64(ROUNDS) == rounds:
            check(time.monotonic() < end, 'the guest is not up again')


CLIENT = '''
import sys
sys.path.insert(0, %r)
from wire import Agent
agent = Agent(%d)
agent.enable('cr3-write', groups=63)
agent.enable('memory', start=0x112000, span=4096, access=3, range_filter=True)
for i in range(50):
    agent.enable('hw-breakpoint', start=0x100000 + i * 8)
agent.enable('step')
print('ready', flush=True)
while True:
    event = agent.next()
    if event:
        agent.reply(event)
'''


@case(**GUEST)
def a_killed_client_leaves_nothing_behind(guest):
    code = CLIENT % (os.path.dirname(os.path.abspath(__file__)), guest.pid)
    text = guest.memory_at(0x100000, 4096)
    # pylint: disable=consider-using-with
    for _ in range(20):
        client = subprocess.Popen([sys.executable, '-c', code],
                                  stdout=subprocess.PIPE)
        client.stdout.readline()
        time.sleep(random.random() / 20)
        client.kill()
        client.wait()
        client.stdout.close()
        end = time.monotonic() + 2
        while True:
            try:
                session = Session(guest)
                break
            except Refused as refused:
                check(time.monotonic() < end, refused)
        session.runs()
        session.agent.close()
    check_equal(guest.memory_at(0x100000, 4096), text, "the guest's text")


@case(**BARE)
def without_internals_events_still_come(guest):
    agent = Agent(guest.pid)
    check_equal(agent.descs['cr3-write']['replies'], ['continue'], 'replies')
    check('step' not in agent.descs, 'steps are offered')
    agent.enable('cr3-write')
    for _ in range(3):
        event = agent.next()
        check(event, 'none came')
        agent.reply(event)
    try:
        agent.hold()
        check(False, 'held')
    except Refused:
        pass
    agent.close()


@case(**LINUX)
def each_vcpu_of_linux_has_an_event_of_its_own(guest):
    agent = Agent(guest.pid)
    token = agent.enable('interrupt', groups=GENERAL)
    time.sleep(0.5)
    events = [agent.next(), agent.next()]
    check_equal(sorted(event.vcpu for event in events), [0, 1], 'vCPUs')
    agent.hold()
    agent.disable(token)
    for event in events:
        check_equal(event.regs['rip'], event.rip, 'rip')
        check(event.vector >= 32, event)
        agent.reply(event)
    agent.release()
    agent.close()


@case(**LINUX)
def an_interrupt_and_an_nmi_can_be_injected_into_linux(guest):
    agent = Agent(guest.pid)
    for kind, vector in ((2, 2), (1, 0xf0)):
        token = agent.enable('interrupt', vectors=[vector])
        agent.hold()
        agent.inject(0, kind, vector)
        agent.release()
        event = agent.next()
        agent.disable(token)
        check(event and event.vector == vector and event.vcpu == 0, event)
        agent.reply(event)
    agent.close()
