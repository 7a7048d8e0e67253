"""A client of the agent's wire, as src/drivers/agent/abi.h has it.

It is not the library's: what both sides of the wire agree on is checked by a
third that shares no code with either.
"""
import array
import ctypes
import mmap
import os
import select
import socket
import struct
import time

MAGIC = 0x416d566d
(HELLO, ENABLE, DISABLE, HOLD, RELEASE, REGS_GET, REGS_SET, WRITE, ACCESS_SET,
 ACCESS_GET) = range(1, 11)
INJECT, DEADLINE, STATE = 15, 16, 17
KINDS = ('cr0-write cr3-write cr4-write xcr0-write dr-access msr-read '
         'msr-write exception interrupt int3 hw-breakpoint step memory '
         'descriptor cpuid hypercall port-io rdtsc reset shutdown gone').split()
ACTIONS = 'continue skip emulate deny reinject inject step switch-view'.split()
REGS = ('rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15 rip '
        'rflags es cs ss ds fs gs ldtr tr gdtr idtr cr0 cr2 cr3 cr4 cr8 xcr0 '
        'dr0 dr1 dr2 dr3 dr6 dr7 efer star lstar cstar sfmask fs_base gs_base '
        'kernel_gs_base sysenter_cs sysenter_esp sysenter_eip apic_base pat '
        'tsc_aux x87 mxcsr xmm ymm').split()
FIELDS = ('gva gpa access value old_value index vector error_code len '
          'insn_len page_walk device view').split()
FILTERS = 'index vector value cr3 range vcpu page_walk'.split()
GENERAL, SEGMENT, CONTROL, DEBUG, MSR, FPU = 1, 2, 4, 8, 16, 32
EVENT = struct.Struct('<QQIIIBBBBIIIIQQQQIIQQQ')
SLOT_EVENT, SLOT_REGS, SLOT_REPLY = 64, 184, 184 + 1272
RING_LEN = 1024
libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__('status %d: %s' % (status, text))
        self.status, self.text = status, text


# Offsets of scalar registers in struct agent_regs.
def _places():
    places = {name: 32 + 8 * i for i, name in enumerate(REGS[:18])}
    for i, name in enumerate(REGS[18:26]):
        places[name] = 176 + 24 * i
    places['fs_base'], places['gs_base'] = 176 + 24 * 4, 176 + 24 * 5
    at = 176 + 8 * 24 + 16 + 8
    for name in 'cr0 cr2 cr3 cr4 cr8 xcr0'.split():
        places[name] = at
        at += 8
    for i in range(8):
        places['dr%d' % i] = at
        at += 8
    for name in ('efer star lstar cstar sfmask kernel_gs_base sysenter_cs '
                 'sysenter_esp sysenter_eip apic_base pat tsc_aux').split():
        places[name] = at
        at += 8
    assert at == 600, at
    return places


PLACES = _places()


def registers(data):
    """Return the valid scalar registers of a struct agent_regs."""
    valid = int.from_bytes(data[:16], 'little')
    return {name: struct.unpack_from('<Q', data, PLACES[name])[0]
            for i, name in enumerate(REGS)
            if valid >> i & 1 and name in PLACES}


def regs_bytes(**changes):
    data = bytearray(1272)
    dirty = 0
    for name, value in changes.items():
        dirty |= 1 << REGS.index(name)
        struct.pack_into('<Q', data, PLACES[name], value)
    data[16:32] = dirty.to_bytes(16, 'little')
    return bytes(data)


class Event:
    def __init__(self, data, regs=b''):
        (self.generation, self.subscription, kind, fields, self.vcpu,
         self.access, self.insn_len, self.page_walk, self.phase, self.index,
         self.vector, self.error_code, self.span, self.gva, self.gpa,
         self.value, self.old_value, self.view, self.known, self.time_ns,
         self.rip, self.cr3) = EVENT.unpack(data)
        self.kind = KINDS[kind]
        self.fields = [n for i, n in enumerate(FIELDS) if fields >> i & 1]
        self.regs = registers(regs) if self.known & 1 else {}

    def __repr__(self):
        return '<%s vcpu%d rip=%#x %s%s>' % (
            self.kind, self.vcpu, self.rip, ' '.join(
                '%s=%#x' % (n, getattr(self, 'span' if n == 'len' else n, 0))
                for n in self.fields),
            ' regs' if self.regs else '')


class Agent:
    def __init__(self, pid, controller=True, deadline_ms=2000):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(10)
        self.socket.connect('\0microvmi-agent/%d' % pid)
        self.sequence = 0
        body = struct.pack('<IHHIIq', MAGIC, 1, 1, int(controller),
                           deadline_ms, os.getpid())
        answer, fds = self.request(HELLO, body, fds=2)
        (magic, self.version, desc_len, self.capabilities, desc_count,
         self.vcpus, self.shared_len, r0, r1, w0, w1, self.view_scope,
         self.view_limit, agent, vmm) = struct.unpack_from(
             '<IHHIIIIQQQQII64s64s', answer)
        assert magic == MAGIC
        self.agent = agent.split(b'\0')[0].decode()
        self.vmm = vmm.split(b'\0')[0].decode()
        self.readable = [n for i, n in enumerate(REGS)
                         if (r0 | r1 << 64) >> i & 1]
        self.writable = [n for i, n in enumerate(REGS)
                         if (w0 | w1 << 64) >> i & 1]
        self.descs = {}
        for i in range(desc_count):
            kind, phase, holds, asyn, _, replies, filters, fields, limit = \
                struct.unpack_from('<IBBBBIIII', answer, 192 + i * desc_len)
            self.descs[KINDS[kind]] = {
                'phase': 'after' if phase else 'before', 'holds': holds,
                'async': asyn, 'limit': limit,
                'replies': [n for b, n in enumerate(ACTIONS)
                            if replies >> b & 1],
                'filters': [n for b, n in enumerate(FILTERS)
                            if filters >> b & 1],
                'fields': [n for b, n in enumerate(FIELDS)
                           if fields >> b & 1]}
        self.map = None
        if controller:
            self.memory_fd, self.doorbell_fd = fds
            self.map = mmap.mmap(self.memory_fd, self.shared_len)
            (_, _, self.slots, self.slot_offset, self.slot_stride,
             self.ring_offset, self.ring_stride) = struct.unpack_from(
                 '<7I', self.map)
            self.base = ctypes.addressof(
                ctypes.c_char.from_buffer(self.map))
            struct.pack_into('<I', self.map, 68, 2)  # sleeps in poll

    def request(self, request, body=b'', fds=0):
        self.sequence += 1
        self.socket.send(struct.pack('<IHHII', 16 + len(body), request, 0,
                                     self.sequence, 0) + body)
        data, control, _, _ = self.socket.recvmsg(
            65536, socket.CMSG_SPACE(4 * fds) if fds else 0)
        if not data:
            raise EOFError('the agent closed the connection')
        _, answered, _, sequence, status = struct.unpack_from('<IHHII', data)
        assert (answered, sequence) == (request, self.sequence)
        if status:
            raise Refused(status, data[32:].split(b'\0')[0].decode())
        if not fds:
            return data[16:]
        got = array.array('i')
        for _, _, payload in control:
            got.frombytes(payload)
        return data[16:], list(got)

    def enable(self, kind, asyn=False, hold_when_full=False, groups=0,
               index=None, value=None, cr3=None, vcpus=None, vectors=None,
               access=0, start=0, span=0, range_filter=False):
        filters = 0
        vector_words = [0] * 4
        for vector in vectors or ():
            vector_words[vector // 64] |= 1 << vector % 64
        for name, there in (('index', index), ('value', value), ('cr3', cr3),
                            ('vcpu', vcpus), ('vector', vectors),
                            ('range', range_filter or None)):
            if there is not None:
                filters |= 1 << FILTERS.index(name)
        body = struct.pack(
            '<IBBBBIIII4QQQQQQQQ', KINDS.index(kind), asyn, hold_when_full, 0,
            0, filters, index or 0, access, groups, *vector_words, vcpus or 0,
            *(value or (0, 0)), *(cr3 or (0, 0)), start, span)
        return struct.unpack('<Q', self.request(ENABLE, body))[0]

    def disable(self, token):
        self.request(DISABLE, struct.pack('<Q', token))

    def hold(self):
        self.request(HOLD)

    def release(self):
        self.request(RELEASE)

    def regs(self, vcpu, groups=63):
        return registers(self.request(REGS_GET,
                                      struct.pack('<II', vcpu, groups)))

    def set_regs(self, vcpu, **changes):
        self.request(REGS_SET, struct.pack('<II', vcpu, 0) +
                     regs_bytes(**changes))

    def write(self, gpa, data):
        self.request(WRITE, struct.pack('<QII', gpa, 0, len(data)) + data)

    def inject(self, vcpu, kind, vector, error_code=None, cr2=0):
        self.request(INJECT, struct.pack(
            '<IIIIIIQ', vcpu, kind, vector, error_code or 0,
            error_code is not None, 0, cr2))

    def state(self):
        names = 'incarnation overdue raised filtered vcpu_count'.split()
        return dict(zip(names, struct.unpack_from(
            '<QQQQI', self.request(STATE))))

    def _slot(self, vcpu):
        return self.slot_offset + vcpu * self.slot_stride

    def _wake(self, offset):
        libc.syscall(202, ctypes.c_void_p(self.base + offset), 1, 2**31 - 1,
                     None, None, 0)

    def next(self, timeout=5.0):
        """Return a synchronous event, or None."""
        end = time.monotonic() + timeout
        struct.pack_into('<I', self.map, 404, 0)  # no longer stalled
        while True:
            for vcpu in range(self.slots):
                at = self._slot(vcpu)
                word = struct.unpack_from('<I', self.map, at)[0]
                bits = struct.unpack_from('<Q', self.map,
                                          128 + vcpu // 64 * 8)[0]
                if bits >> vcpu % 64 & 1 and word & 3 == 1:
                    # No other bit can be lost: tests have one slot at a time
                    # or look at all states anyway.
                    struct.pack_into('<Q', self.map, 128 + vcpu // 64 * 8,
                                     bits & ~(1 << vcpu % 64))
                    data = self.map[at + SLOT_EVENT:at + SLOT_EVENT + 112]
                    regs = self.map[at + SLOT_REGS:at + SLOT_REGS + 1272]
                    event = Event(data, regs)
                    event.word = word
                    return event
            left = end - time.monotonic()
            if left <= 0:
                return None
            select.select([self.doorbell_fd], [], [], min(left, 0.05))
            try:
                os.read(self.doorbell_fd, 8)
            except BlockingIOError:
                pass

    def reply(self, event, action='continue', data=b'', inject=None, **regs):
        at = self._slot(event.vcpu)
        injection = struct.pack('<IIIIIIQ', 0, 0, 0, 0, 0, 0, 0)
        if inject:
            vector, code, cr2 = (list(inject) + [None, 0])[:3]
            injection = struct.pack('<IIIIIIQ', event.vcpu, 0, vector,
                                    code or 0, code is not None, 0, cr2 or 0)
        body = struct.pack('<II', ACTIONS.index(action), 0) + injection + \
            struct.pack('<II', len(data), 0) + data.ljust(64, b'\0') + \
            regs_bytes(**regs)
        assert len(body) == 1384, len(body)
        self.map[at + SLOT_REPLY:at + SLOT_REPLY + len(body)] = body
        word = struct.unpack_from('<I', self.map, at)[0]
        if word != event.word:
            return False
        struct.pack_into('<I', self.map, at, event.word & ~3 | 2)
        self._wake(at)
        return True

    def drain(self, vcpu=0):
        """Return the asynchronous events that there are, and how many were
        lost so far."""
        at = self.ring_offset + vcpu * self.ring_stride
        head = struct.unpack_from('<I', self.map, at)[0]
        tail = struct.unpack_from('<I', self.map, at + 64)[0]
        lost = struct.unpack_from('<Q', self.map, at + 72)[0]
        events = []
        while head != tail:
            entry = at + 128 + head % RING_LEN * 112
            events.append(Event(self.map[entry:entry + 112]))
            head = (head + 1) & 0xffffffff
        struct.pack_into('<I', self.map, at, head)
        self._wake(at)
        return events, lost

    def close(self):
        self.socket.close()
        if self.map is not None:
            os.close(self.memory_fd)
            os.close(self.doorbell_fd)
