"""Guests for the live tests: QEMU in a private folder, with ground truth.

A guest is started with nothing that introspection would need but a QMP
socket (or not even that).  A second monitor is the tests' own: what QEMU says
there is what the command's answers are compared with, and the first monitor,
which serves one client at a time, stays free for the command.

    with QemuGuest(version='7.2', kind='tiny') as guest:
        result = guest.microvmi('read', guest.target, '0x110010', '16',
                                '--raw')
        guest.truth.hmp('info registers -a')

Everything that was started ends with the `with`, and also when the tests'
own process is killed.
"""
import contextlib
import ctypes
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
GUESTS = os.path.join(ROOT, 'scripts', 'guests')
BUILD = os.path.join(ROOT, 'build')
MARKER = b'MICROVMI-READY '
PR_SET_PDEATHSIG = 1

# Where tests/guests/tiny.S puts things, and the values it loads.
TINY = {
    'counter': 0x110000, 'result': 0x110008, 'text': 0x110010,
    'patch': 0x120000, 'immediate': 0x120001, 'root': 0x130000,
    'high': 0xffff900000000000,
    'registers': {
        'rbx': 0xb0b0b0b0b0b0b0b0, 'rcx': 0xc0c0c0c0c0c0c0c0,
        'rdx': 0xd0d0d0d0d0d0d0d0, 'rsi': 0x5151515151515151,
        'rdi': 0xd1d1d1d1d1d1d1d1, 'rbp': 0xbbbbbbbbbbbbbbbb,
        'r8': 0x0808080808080808, 'r9': 0x0909090909090909,
        'r10': 0x1010101010101010, 'r11': 0x1111111111111111,
        'r12': 0x1212121212121212, 'r13': 0x1313131313131313,
        'r14': 0x1414141414141414, 'r15': 0x1515151515151515,
        'fs_base': 0x00007f1122334455, 'gs_base': 0xffff881122334466,
        'kernel_gs_base': 0xffff891122334477, 'star': 0x0023001000000000,
        'lstar': 0xffffffff81c00080, 'cstar': 0xffffffff81c00200,
        'sfmask': 0x00257fd5, 'sysenter_cs': 0x10,
        'sysenter_esp': 0xfffffe0000003000,
        'sysenter_eip': 0xffffffff81c01430, 'pat': 0x0007040600070106,
        'cr2': 0xcafe000, 'cr3': 0x130000, 'cr8': 5,
        'dr0': 0x1111, 'dr1': 0x2222, 'dr2': 0x3333, 'dr3': 0x4444},
}


class Skip(Exception):
    """A test that cannot be run here; the text says why."""


class Failed(Exception):
    """The environment failed: no guest, no program."""


def check(condition, *what):
    if not condition:
        raise AssertionError(' '.join(str(one) for one in what))


def check_equal(got, wanted, what='value'):
    if got != wanted:
        raise AssertionError('%s: got %s, wanted %s' % (
            what, describe(got), describe(wanted)))


def describe(value):
    if isinstance(value, bool) or not isinstance(value, (int, bytes, str)):
        return repr(value)[:300]
    return hex(value) if isinstance(value, int) else repr(value[:200])


def first_difference(a, b):
    """Return the first offset at which two byte strings differ."""
    if a == b:
        return None
    low, high = 0, min(len(a), len(b))
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] != b[low:middle]:
            high = middle
        else:
            low = middle
    return low


def die_with_parent():
    """Let a child end with this process, however this one ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def guests_tool(name, *args):
    """Run one of scripts/guests/ and return what it prints."""
    done = subprocess.run([os.path.join(GUESTS, name), *args], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise Failed('scripts/guests/%s: %s' % (name, done.stderr.strip()))
    return done.stdout.strip()


def obtain_qemu(version):
    """Make sure that a QEMU is there before any guest waits for it."""
    if version != '7.2':
        guests_tool('fetch', 'qemu-' + version)


def obtain_kernel(group):
    """Make sure that a kernel is there before a guest waits for it."""
    guests_tool('fetch', group)


class Qmp:
    """A client of QEMU's monitor protocol."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.file = self.socket.makefile('rwb')
        self.events = []
        check('QMP' in self.receive(), 'no greeting from QMP')
        self.execute('qmp_capabilities')

    def receive(self):
        line = self.file.readline()
        if not line:
            raise Failed('QEMU closed its monitor')
        return json.loads(line)

    def execute(self, command, **arguments):
        self.file.write(json.dumps(
            {'execute': command, 'arguments': arguments}).encode() + b'\n')
        self.file.flush()
        while True:
            answer = self.receive()
            if 'event' in answer:
                self.events.append(answer)
            elif 'error' in answer:
                raise Failed('%s: %s' % (command, answer['error']['desc']))
            else:
                return answer['return']

    def hmp(self, line):
        return self.execute('human-monitor-command',
                            **{'command-line': line})

    def running(self):
        return self.execute('query-status')['status'] == 'running'

    def close(self):
        self.file.close()
        self.socket.close()


class Result:
    """What a run of the command left."""

    def __init__(self, args, code, out, err, seconds):
        self.args, self.code, self.out = args, code, out
        self.err, self.seconds = err, seconds

    def __iter__(self):
        return iter((self.code, self.out, self.err))

    def __str__(self):
        return 'microvmi %s: exit code %d\nstdout: %s\nstderr: %s' % (
            ' '.join(self.args), self.code,
            self.out[:1000].decode('utf-8', 'replace'), self.err[:2000])

    def ok(self):
        """Return this, provided the command succeeded."""
        check(self.code == 0, self)
        return self

    def fails(self, *words):
        """Return this, provided it failed and says each of the words."""
        check(self.code > 0, 'expected a failure:', self)
        for word in words:
            check(re.search(word, self.err, re.I), 'no', repr(word), 'in',
                  self)
        return self

    def json(self):
        self.ok()
        return json.loads(self.out)


def microvmi(*args, timeout=120, stdout=None):
    """Run the command; stdout may be an open file in place of a pipe."""
    program = os.path.join(BUILD, 'microvmi')
    args = [str(arg) for arg in args]
    begin = time.monotonic()
    with subprocess.Popen([program, *args], stdin=subprocess.DEVNULL,
                          stdout=stdout or subprocess.PIPE,
                          stderr=subprocess.PIPE,
                          preexec_fn=die_with_parent) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError('microvmi %s: still running after %d s\n%s' %
                                 (' '.join(args), timeout,
                                  err.decode('utf-8', 'replace'))) from None
    return Result(args, process.returncode, out or b'',
                  err.decode('utf-8', 'replace'), time.monotonic() - begin)


def microvmi_started(*args, **options):
    """Start the command and return the process; the caller waits for it."""
    options.setdefault('stdout', subprocess.PIPE)
    options.setdefault('stderr', subprocess.PIPE)
    return subprocess.Popen(
        [os.path.join(BUILD, 'microvmi'), *[str(arg) for arg in args]],
        stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, **options)


def kernel_image(group):
    """Return the path of a kernel that scripts/guests/fetch unpacks."""
    folder = guests_tool('fetch', group)
    for pattern in ('boot/vmlinuz-*', 'usr/lib/modules/*/vmlinuz'):
        for path in glob.glob(os.path.join(glob.escape(folder), pattern)):
            return path
    raise Failed('no kernel in ' + folder)


def kvm_reason(version):
    """Say why this QEMU's use of KVM fails here, None if it does not."""
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return '/dev/kvm is not there or not ours to open'
    try:
        with QemuGuest(version, cpu='qemu64', accel='kvm', timeout=20):
            return None
    except Failed as error:
        return '/dev/kvm does not run a guest in long mode (%s)' % (
            str(error).split('\n')[0].rpartition(': ')[2])


class QemuGuest:
    """A guest under QEMU; use it in a `with`.

    kind     'linux', 'tiny', 'events' or 'counting' (tests/guests/)
    plugin   options of our QEMU plugin, '' for none; None: not loaded
    mode     what a Linux guest does: idle, spin, touch, selftest, truth
    kernel   set of scripts/guests/fetch, for Linux
    tries    how often to boot it, should its kernel panic
    ram      'anon' (QEMU's default), 'memfd' or 'file' (both shared)
    qmp      whether the command gets a monitor of its own
    truth    whether the tests get one
    """

    def __init__(self, version='7.2', kind='tiny', kernel='kernel-6.1',
                 mode='idle', memory='256M', ram='anon', smp=1, machine='pc',
                 cpu='max', accel='tcg', append='', extra=(), qmp=True,
                 truth=True, timeout=120, tries=1,
                 plugin=None):
        self.version, self.kind, self.kernel = version, kind, kernel
        self.mode, self.memory, self.ram, self.smp = mode, memory, ram, smp
        self.machine, self.cpu, self.accel = machine, cpu, accel
        self.append, self.extra, self.timeout = append, extra, timeout
        self.qmp_wanted, self.truth_wanted = qmp, truth
        self.folder = self.process = self.truth = None
        self.tries, self.plugin = tries, plugin
        self.marker = ''
        self.boot_seconds = 0
        # What the cases that share this guest keep for each other.
        self.kept = {}

    def __str__(self):
        return '%s guest, QEMU %s, %s, %s of %s RAM' % (
            self.kind, self.version, self.machine, self.memory, self.ram)

    def path(self, name):
        return os.path.join(self.folder, name)

    @property
    def pid(self):
        return self.process.pid

    @property
    def target(self):
        """The command's TARGET for this guest."""
        if self.qmp_wanted:
            return 'qemu:' + self.path('qmp')
        return self.target_pid

    @property
    def target_pid(self):
        return 'qemu:pid=%d' % self.pid

    def arguments(self):
        machine = self.machine
        args = ['-nodefaults', '-display', 'none', '-no-reboot',
                '-m', self.memory, '-smp', str(self.smp), '-cpu', self.cpu,
                '-accel', self.accel, '-serial', 'file:' + self.path('serial')]
        if self.ram != 'anon':
            machine += ',memory-backend=ram'
            backend = 'memory-backend-%s,id=ram,size=%s,share=on' % (
                self.ram, self.memory)
            if self.ram == 'file':
                backend += ',mem-path=' + self.path('ram')
            args += ['-object', backend]
        if self.accel == 'kvm':
            # A KVM that runs inside another VM may emulate instructions, and
            # knows few of those on vectors: the tiny guest does without.
            args += ['-device',
                     'loader,addr=0x160000,data=1,data-len=1']
        args += ['-machine', machine]
        if self.qmp_wanted:
            args += ['-qmp', 'unix:%s,server=on,wait=off' % self.path('qmp')]
        if self.truth_wanted:
            args += ['-qmp', 'unix:%s,server=on,wait=off' % self.path('truth')]
        if self.plugin is not None:
            args += ['-plugin', os.path.join(
                BUILD, 'agents', 'microvmi-qemu.so') +
                     (',' + self.plugin if self.plugin else '')]
        if self.kind in ('tiny', 'events', 'counting'):
            args += ['-kernel', guests_tool('tiny', self.kind)]
        else:
            # The population's initramfs has modules of that kernel.
            which = (self.kernel,) if self.mode == 'truth' else ()
            args += ['-kernel', kernel_image(self.kernel),
                     '-initrd', guests_tool('initramfs', *which), '-append',
                     'console=ttyS0 quiet panic=-1 microvmi.mode=%s %s' % (
                         self.mode, self.append)]
        return args + list(self.extra)

    def start(self):
        # RAM files are large and sparse: in memory where that can be.
        shm = '/dev/shm' if self.ram == 'file' and \
            os.access('/dev/shm', os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix='mvmi-', dir=shm)
        begin = time.monotonic()
        with open(self.path('log'), 'wb') as log:
            self.process = subprocess.Popen(
                [os.path.join(GUESTS, 'qemu'), self.version,
                 *self.arguments()], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, preexec_fn=die_with_parent)
        self.wait_for_marker(begin + self.timeout)
        self.boot_seconds = time.monotonic() - begin
        if self.truth_wanted:
            self.truth = Qmp(self.path('truth'))

    def wait_for_marker(self, deadline):
        while True:
            serial = self.read_file('serial')
            at = serial.find(MARKER)
            if at >= 0 and b'\n' in serial[at:]:
                self.marker = serial[at:].split(b'\n')[0].decode().strip()
                return
            code = self.process.poll()
            if code is not None or time.monotonic() > deadline:
                what = 'not up in time' if code is None else \
                    'QEMU ended with exit code %d' % code
                raise Failed('%s: %s\n%s\n%s' % (
                    self, what, self.read_file('log').decode(errors='replace'),
                    serial[-500:].decode(errors='replace')))
            time.sleep(0.02)

    def read_file(self, name):
        try:
            with open(self.path(name), 'rb') as file:
                return file.read()
        except FileNotFoundError:
            return b''

    def symbol(self, name):
        """Return an address that a Linux guest has told."""
        found = re.search(r'\b%s=(0x[0-9a-f]+)' % name, self.marker)
        check(found, 'the guest told no', name)
        return int(found.group(1), 16)

    @property
    def banner(self):
        return self.marker.partition(' banner=')[2]

    def stop(self):
        if self.truth:
            with contextlib.suppress(OSError, Failed):
                self.truth.close()
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        while True:
            self.tries -= 1
            try:
                self.start()
                return self
            except Failed:
                # TCG is not always as strict as a processor when one CPU
                # patches code that another one executes.
                panic = b'Kernel panic' in self.read_file('serial')
                self.stop()
                if not panic or self.tries <= 0:
                    raise
            except BaseException:
                self.stop()
                raise

    def __exit__(self, *_):
        self.stop()

    # What QEMU itself says.

    def halt(self):
        self.truth.execute('stop')

    def go(self):
        self.truth.execute('cont')

    @contextlib.contextmanager
    def halted(self):
        """Stop the VM by the tests' own monitor for a while."""
        self.halt()
        try:
            yield
        finally:
            if self.process.poll() is None:
                self.go()

    def memory_at(self, address, length):
        """Return guest-physical memory as QEMU's pmemsave writes it."""
        path = self.path('pmemsave')
        self.truth.execute('pmemsave', val=address, size=length,
                           filename=path)
        with open(path, 'rb') as file:
            data = file.read()
        os.unlink(path)
        check_equal(len(data), length, 'length of pmemsave')
        return data

    def u64_at(self, address):
        return int.from_bytes(self.memory_at(address, 8), 'little')

    def ram_regions(self):
        """Return (start, length) of RAM in guest-physical memory, in order,
        from QEMU's flat view of it, neighbours merged."""
        regions = []
        views = self.truth.hmp('info mtree -f')
        view = re.search(r'AS "memory".*?Root memory region: system\n(.*?)'
                         r'\n\s*\n', views.replace('\r', ''), re.S)
        check(view, 'no flat view of memory in', views[:400])
        for start, end, kind, name in re.findall(
                r'^\s+([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, (\w+)\): '
                r'(\S+)', view.group(1), re.M):
            start, end = int(start, 16), int(end, 16) + 1
            if kind not in ('ram', 'rom') or name not in ('pc.ram', 'ram'):
                continue
            if regions and regions[-1][1] == start:
                regions[-1][1] = end
            else:
                regions.append([start, end])
        check(regions, 'no RAM in', view.group(1))
        return [(start, end - start) for start, end in regions]

    def registers(self, cpu=0):
        """Return the registers of `info registers`, as microvmi names them."""
        text = self.truth.hmp('info registers -a').replace('\r', '')
        parts = re.split(r'^CPU#(\d+)\n', text, flags=re.M)
        for number, part in zip(parts[1::2], parts[2::2]):
            if int(number) == cpu:
                return parse_registers(part)
        raise Failed('no CPU %d in info registers' % cpu)

    # The command.

    def microvmi(self, command, *args, **options):
        return microvmi(command, self.target, *args, **options)


def parse_registers(text):
    """Parse one CPU of HMP's info registers."""
    found = {}
    names = {'RFL': 'rflags', 'EFL': 'rflags', 'LDT': 'ldtr', 'GDT': 'gdtr',
             'IDT': 'idtr'}
    for name, value in re.findall(
            r'\b(R[A-Z0-9]{1,2}|RFL|CR[0-48]|DR[0-7]|EFER) *=([0-9a-f]+)',
            text):
        found[names.get(name, name.lower())] = int(value, 16)
    for name, selector, base, limit, flags in re.findall(
            r'^(ES|CS|SS|DS|FS|GS|LDT|TR) *=([0-9a-f]{4}) ([0-9a-f]+) '
            r'([0-9a-f]{8}) ([0-9a-f]{8})', text, re.M):
        found[names.get(name, name.lower())] = {
            'selector': int(selector, 16), 'base': int(base, 16),
            'limit': int(limit, 16),
            'attributes': int(flags, 16) >> 8 & 0xf0ff}
    for name, base, limit in re.findall(
            r'^(GDT|IDT)= *([0-9a-f]+) ([0-9a-f]{8})', text, re.M):
        found[names[name]] = {'base': int(base, 16), 'limit': int(limit, 16)}
    # 7.2 and later print YMM, highest quadword first, where AVX is on.
    wide = {}
    for number, value in re.findall(r'\bYMM(\d\d)=([0-9a-f ]+)', text):
        wide[int(number)] = int(value.replace(' ', ''), 16)
    low = {number: value & (1 << 128) - 1 for number, value in wide.items()}
    for number, value in re.findall(r'\bXMM(\d\d)=([0-9a-f]{16} [0-9a-f]{16})',
                                    text):
        low[int(number)] = int(value.replace(' ', ''), 16)
    mxcsr = re.search(r'MXCSR=([0-9a-f]+)', text)
    if mxcsr:
        found['mxcsr'] = int(mxcsr.group(1), 16)
    if low:
        found['xmm'] = low
    if wide:
        found['ymm'] = wide
    return found
