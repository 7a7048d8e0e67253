"""Linux guests understood with no profile: equal to their own /proc.

Each guest boots a Debian kernel, takes the truth about itself and blocks.
The command's answers are compared with that truth: on the live guest, on a
raw dump, on ELF dumps with and without CPU notes, and on QEMU's own dump.
The kernels and ways of paging rotate by day; --full has all of them.
"""
import hashlib
import os
import re
import shutil
import struct
import subprocess
import time

import truth
from harness import check, check_equal, guests_tool, microvmi
from run import VERSIONS, case

SERIES = ('5.10', '6.1', '6.12', '6.16', '6.17', '6.18', '6.19', '7.0', '7.1',
          '7.2', '7.3')
# Five levels are QEMU's "max"; a processor of Intel's name is taken to need
# page tables of its own in user mode.
LAYOUTS = (
    {'cpu': 'max', 'smp': 2},
    {'cpu': 'qemu64', 'smp': 2, 'append': 'pti=on'},
    {'cpu': 'max,vendor=GenuineIntel', 'smp': 1},
    {'cpu': 'qemu64', 'smp': 1},
)
TICK_NS = 10000000
CLOSE_ON_EXEC = 0o2000000
LA57 = 1 << 12

TCP_STATES = {1: 'ESTABLISHED', 2: 'SYN_SENT', 3: 'SYN_RECV', 4: 'FIN_WAIT1',
              5: 'FIN_WAIT2', 6: 'TIME_WAIT', 7: 'CLOSE', 8: 'CLOSE_WAIT',
              9: 'LAST_ACK', 10: 'LISTEN', 11: 'CLOSING'}


def matrix():
    """List what can be booted, and say which of it is tested today."""
    day = time.gmtime().tm_yday
    today = ((day % len(SERIES), day % len(LAYOUTS)),
             ((day + 5) % len(SERIES), (day + 2) % len(LAYOUTS)))
    for n, series in enumerate(SERIES):
        for m, layout in enumerate(LAYOUTS):
            yield (dict(layout, kind='linux', mode='truth', tries=3,
                        kernel='kernel-' + series,
                        extra=('-device', 'vmcoreinfo')),
                   VERSIONS[(n + m) % len(VERSIONS)], (n, m) in today)


# Memory and machines of other shapes, for what depends on those.
SHAPES = ({'memory': '4G', 'cpu': 'max'},
          {'memory': '4G', 'machine': 'q35', 'cpu': 'qemu64'},
          {'memory': '512M', 'append': 'MICROVMI_EXTRA=1000', 'cpu': 'max'},
          {'append': 'nokaslr', 'cpu': 'max', 'smp': 4},
          {'ram': 'file', 'cpu': 'qemu64', 'extra': ()},
          {'ram': 'memfd', 'cpu': 'max', 'qmp': False})


def every_shape(function):
    """Declare a case for each shape too, in --full."""
    for n, shape in enumerate(SHAPES):
        case(full=True, looks=True, version='7.2', **dict(
            {'kind': 'linux', 'mode': 'truth', 'tries': 3, 'smp': 2,
             'kernel': ('kernel-6.1', 'kernel-6.12')[n % 2],
             'extra': ('-device', 'vmcoreinfo')}, **shape))(function)
    return function


def every_guest(function):
    """Declare a case for each kernel and way of paging."""
    for guest, version, today in matrix():
        case(full=not today, looks=True, version=version, **guest)(function)
    return function


# Where a guest can be looked at.

def strip_notes(source, path):
    """Copy an ELF core without what is known of its CPUs."""
    subprocess.run(['cp', '--sparse=always', source, path], check=True)
    with open(path, 'r+b') as file:
        header = file.read(64)
        offset, = struct.unpack_from('<Q', header, 32)
        size, count = struct.unpack_from('<HH', header, 54)
        for n in range(count):
            file.seek(offset + n * size)
            if file.read(4) == b'\4\0\0\0':
                file.seek(offset + n * size)
                file.write(b'\0\0\0\0')


def cpus_of(guest):
    """Each vCPU's privilege level and page tables, as QEMU has them."""
    found = [guest.registers(n) for n in range(guest.smp)]
    return [(one['cs']['selector'] & 3, one['cr3'] & ~0xfff)
            for one in found]


def notes_of(path):
    """Return {name: bytes} of an ELF core's notes, the last of each name."""
    with open(path, 'rb') as file:
        header = file.read(64)
        offset, = struct.unpack_from('<Q', header, 32)
        file.seek(offset)
        program = file.read(56)
        check_equal(program[:4], b'\4\0\0\0', 'first program header')
        offset, = struct.unpack_from('<Q', program, 8)
        length, = struct.unpack_from('<Q', program, 32)
        file.seek(offset)
        data = file.read(length)
    return {name.decode(): what for name, _, what in elf_notes(data)}


def elf_notes(data):
    """Yield (name, type, bytes) of each ELF note."""
    at = 0
    while at < len(data):
        name, length, kind = struct.unpack_from('<III', data, at)
        at += 12
        what = data[at:at + name].rstrip(b'\0')
        at += (name + 3) & ~3
        yield what, kind, data[at:at + length]
        at += (length + 3) & ~3


def make_dumps(guest):
    """Dump a guest in each of the ways."""
    dumps = {name: guest.path('dump.' + name)
             for name in ('raw', 'elf', 'no-notes', 'qemu')}
    # Without a monitor the command can't hold the VM; here it stands still.
    how = () if guest.qmp_wanted else ('--live',)
    with guest.halted():
        for form in ('raw', 'elf'):
            guest.microvmi('dump', '-o', dumps[form], '--format', form,
                           *how).ok()
        guest.truth.execute('dump-guest-memory', paging=False,
                            protocol='file:' + dumps['qemu'])
        guest.kept['cpus'] = cpus_of(guest)
    strip_notes(dumps['elf'], dumps['no-notes'])
    return dumps


class View:
    """One way to look at a guest."""

    def __init__(self, name, target, options, has_registers):
        self.name, self.target, self.options = name, target, options
        self.has_registers = has_registers

    def run(self, command, *args):
        return microvmi(command, self.target, *args, *self.options)

    def json(self, command, *args):
        return self.run(command, *args, '--json').json()


def views(guest):
    """Yield each way to look at a guest; it stands still meanwhile.

    The live guest is read with no profile, each time; the dumps share a
    folder of them, so that all but the first are read with one."""
    if 'dumps' not in guest.kept:
        guest.kept['dumps'] = make_dumps(guest)
    profiles = ('--profile-dir', guest.path('profiles'))
    with guest.halted():
        yield View('live', guest.target, ('--no-profile',),
                   guest.qmp_wanted)
    for name, path in guest.kept['dumps'].items():
        # Without a monitor of its own the command gets no registers.
        yield View(name, 'dump:' + path, profiles, name == 'qemu' or
                   (name == 'elf' and guest.qmp_wanted))


def number(value):
    return int(value, 0) if isinstance(value, str) else value


def check_lists(got, wanted, what):
    """Check that lists are equal; else tell the first differences."""
    got, wanted = list(got), list(wanted)
    if got == wanted:
        return
    for n, (a, b) in enumerate(zip(got, wanted)):
        check(a == b, '%s: item %d of %d (wanted %d) is %r, wanted %r' % (
            what, n, len(got), len(wanted), a, b))
    check(False, '%s: %d items, wanted %d; the next is %r' % (
        what, len(got), len(wanted),
        (got[len(wanted):] or wanted[len(got):])[0]))


# The kernel.

def build_id_of(notes):
    """Find the build id in a kernel's ELF notes."""
    for name, kind, what in elf_notes(notes):
        if name == b'GNU' and kind == 3:
            return what.hex()
    raise AssertionError('no build id in the notes')


@every_guest
@every_shape
def kernel_is_the_one_that_runs(guest):
    told = truth.of(guest)
    symbols = sum(not one[3] for one in told.kallsyms)
    isolated = 'pti=on' in guest.append or 'Intel' in guest.cpu
    wanted = {
        'name': 'Linux', 'machine': 'x86_64', 'cpus': guest.smp,
        'release': told.text('sys/kernel/osrelease').strip(),
        'version': told.text('sys/kernel/version').strip(),
        'hostname': told.text('sys/kernel/hostname').strip(),
        'build_id': build_id_of(told.files['notes']),
        'kernel_base': hex(guest.symbol('_text')), 'symbols': symbols,
        'page_table_isolation': isolated,
        # Debian's 5.10 knows no fifth level.
        'paging': '5-level' if guest.registers()['cr4'] & LA57 else
                  '4-level'}
    uptime = float(told.text('uptime').split()[0])
    for view in views(guest):
        got = view.json('info')['os']
        for key, value in wanted.items():
            check_equal(got[key], value, '%s, %s' % (view.name, key))
        check(got['checked_by'] and got['checked_by'] != got['found_by'],
              view.name, 'by', got['found_by'], got['checked_by'])
        check(number(got['uptime_ns']) / 1e9 >= uptime - 0.1, view.name,
              got['uptime_ns'], uptime)


@every_guest
@every_shape
def symbols_equal_kallsyms_to_the_last(guest):
    wanted = truth.of(guest).kallsyms
    for view in views(guest):
        got = [(number(one['addr']), one['type'], one['name'],
                one.get('module') or '')
               for one in view.json('symbols', '--all')]
        check_lists(got, wanted, view.name)


@every_guest
def modules_equal_proc_modules(guest):
    wanted = truth.of(guest).modules
    for view in views(guest):
        got = [(one['name'], number(one['size']), one['use_count'],
                one['state'], number(one['base']))
               for one in view.json('modules')]
        check_lists(got, wanted, view.name)


@every_guest
def log_equals_dev_kmsg(guest):
    wanted = truth.of(guest).log
    for view in views(guest):
        got = [(one['sequence'], number(one['time_ns']) // 1000,
                one['level'], one['facility'], one['text'])
               for one in view.json('dmesg')]
        # What the kernel says after the truth was taken.
        check_lists(got[:len(wanted)], wanted, view.name)


@every_guest
def mounts_equal_mountinfo(guest):
    wanted = sorted(truth.of(guest).mounts)
    for view in views(guest):
        got = sorted((number(one['id']), number(one['parent_id']),
                      one['device'], one['root'], one['path'], one['type'],
                      one['source']) for one in view.json('mounts'))
        # Since 7.0 rootfs is mounted on a nullfs that no process can reach:
        # neither mountinfo nor the command shows it.
        check_lists(got, wanted, view.name)


# Processes.

def task_of(one):
    """What is compared of a task in the command's answer."""
    return (one['pid'], one['tgid'], one['ppid'], one['name'], one['uid'],
            one['state'])


def truth_of(task):
    return (task.pid, task.tgid, task.ppid, task.name, task.uids[0],
            task.state)


def calm(task):
    """Tell whether a task's state is the same before and after the truth."""
    return not task.is_kernel and task.name not in ('truth', 'spinner')


@every_guest
@every_shape
def processes_and_threads_equal_proc(guest):
    told = [one for process in truth.of(guest).processes.values()
            for one in process.threads]
    for view in views(guest):
        got = {one['pid']: one for one in view.json('ps', '--threads')}
        for task in told:
            # Workers come and go, and are named after what they do.
            if task.is_worker:
                continue
            check(task.pid in got, view.name, 'no', task.pid, task.name)
            one, wanted = task_of(got[task.pid]), truth_of(task)
            count = len(one) if calm(task) else -1
            # A rescuer's full name is not the one that 6.1 shows.
            if task.is_kernel and len(task.name) == 15:
                check(one[3].startswith(task.name), view.name, one, wanted)
                one, wanted = one[:3], wanted[:3]
            check_equal(one[:count], wanted[:count], view.name)
        known = {task.pid for task in told}
        for one in got.values():
            check(one['pid'] in known or one['name'].startswith('kworker/'),
                  view.name, 'nobody told of', one)


@every_guest
def kernel_workers_are_named_so(guest):
    """Their full names tell what they do at that moment."""
    told = {one.pid for one in truth.of(guest).processes.values()
            if one.is_worker}
    for view in views(guest):
        names = {one['pid']: one['name'] for one in view.json('ps')}
        check(any(pid in names for pid in told), view.name, 'no worker')
        for pid in told & set(names):
            check(names[pid].startswith('kworker/'), view.name, names[pid])


def namespaces_of(process):
    return {name: int(re.search(r'\[(\d+)\]', link).group(1))
            for name, link in process.links('ns').items()}


@every_guest
def details_of_processes_equal_proc(guest):
    told = truth.of(guest)
    for view in views(guest):
        got = {one['pid']: one for one in view.json(
            'ps', '--args', '--env', '--path', '--namespaces')}
        for process in told.users:
            one, where = got[process.pid], '%s, %s' % (view.name,
                                                       process.name)
            check_equal(one['args'], process.strings('cmdline'), where)
            check_equal(one['environment'], process.strings('environ'), where)
            check_equal(one['path'], process.links('links')['exe'], where)
            check_equal({name: number(value) for name, value in
                         one['namespaces'].items()}, namespaces_of(process),
                        where)
            check_equal(one['session'], process.stat['session'], where)
            check_equal(one['threads'], process.stat['threads'], where)
            check_equal(number(one['start_ns']) // TICK_NS,
                        process.stat['start'], 'start, ' + where)
            held = one['credentials']
            check_equal([one['uid'], held['euid'], held['suid'],
                         held['fsuid']], process.uids, where)
            check_equal([held['gid'], held['egid'], held['sgid'],
                         held['fsgid']], process.gids, where)
            check_equal(number(held['capabilities']), process.capabilities,
                        where)


@every_guest
@every_shape
def areas_equal_proc_maps(guest):
    told = truth.of(guest)
    for view in views(guest):
        for process in told.users:
            got = [(number(one['start']), number(one['end']), one['perms'],
                    number(one['offset']), one['device'],
                    number(one['inode']), one['path'])
                   for one in view.json('maps', '--pid', process.pid)]
            check_lists(got, process.maps, '%s, %s' % (view.name,
                                                       process.name))


@every_guest
def files_equal_proc_fd(guest):
    told = truth.of(guest)
    for view in views(guest):
        for process in told.users:
            links = process.links('fd')
            wanted = []
            for fd in sorted(links, key=int):
                info = process.fdinfo(fd)
                wanted.append((int(fd), links[fd], int(info['pos']),
                               int(info['flags'], 8) & ~CLOSE_ON_EXEC))
            got = [(one['fd'], one['path'], number(one['offset']),
                    number(one['flags']) & ~CLOSE_ON_EXEC)
                   for one in view.json('files', '--pid', process.pid)]
            check_lists(got, wanted, '%s, %s' % (view.name, process.name))


def inet_address(text):
    """Turn /proc/net's "0100007F:1B59" into an address and a port."""
    digits, port = text.split(':')
    words = [int(digits[at:at + 8], 16) for at in range(0, len(digits), 8)]
    data = b''.join(struct.pack('<I', word) for word in words)
    if len(data) == 4:
        return '.'.join(str(byte) for byte in data), int(port, 16)
    known = {bytes(16): '::', bytes(15) + b'\1': '::1'}
    return known[data], int(port, 16)


def remote_of(text):
    """The same, of the other end: an address of zeros is none."""
    address, port = inet_address(text)
    return (address if port else '', port)


def sockets_told(told):
    """Return {inode: (family, state, local, remote)} of /proc/net."""
    found = {}
    for name, family in (('tcp', 'inet'), ('udp', 'inet'),
                         ('tcp6', 'inet6'), ('udp6', 'inet6')):
        for line in told.lines('net/' + name)[1:]:
            fields = line.split()
            found[int(fields[9])] = (
                family, TCP_STATES[int(fields[3], 16)],
                inet_address(fields[1]), remote_of(fields[2]))
    for line in told.lines('net/unix')[1:]:
        fields = line.split(None, 7)
        path = fields[7] if len(fields) > 7 else ''
        found[int(fields[6])] = ('unix', None, (path, 0), None)
    for line in told.lines('net/netlink')[1:]:
        found[int(line.split()[9])] = ('netlink', None, None, None)
    return found


@every_guest
def sockets_equal_proc_net(guest):
    told = truth.of(guest)
    known = sockets_told(told)
    process = told.process('target')
    for view in views(guest):
        got = {one['fd']: one for one in
               view.json('sockets', '--pid', process.pid)}
        wanted = {int(fd): int(link[8:-1]) for fd, link in
                  process.links('fd').items() if link.startswith('socket:')}
        check_equal({fd: number(one['inode']) for fd, one in got.items()},
                    wanted, view.name)
        for fd, inode in wanted.items():
            family, state, local, remote = known[inode]
            one = got[fd]
            check_equal(one['family'], family, view.name)
            if state and one['protocol'].startswith('TCP'):
                check_equal(one['state'], state, view.name)
            for end, address in (('local', local), ('remote', remote)):
                if address:
                    check_equal((one[end]['address'], one[end]['port']),
                                address, '%s, fd %d' % (view.name, fd))


@every_guest
def each_socket_is_listed_once_with_one_that_has_it(guest):
    holders = {}
    for process in truth.of(guest).processes.values():
        for fd, link in process.links('fd').items():
            if link.startswith('socket:'):
                holders.setdefault(int(link[8:-1]), set()).add(
                    (process.pid, int(fd)))
    for view in views(guest):
        got = view.json('sockets')
        check_lists(sorted(number(one['inode']) for one in got),
                    sorted(holders), view.name)
        for one in got:
            check((one['pid'], one['fd']) in holders[number(one['inode'])],
                  view.name, one)


@every_guest
@every_shape
def memory_of_processes_is_what_they_wrote(guest):
    process = truth.of(guest).process('target')
    texts = {'/memfd:mapped-memfd (deleted)': b'in a memfd',
             '/dev/zero (deleted)': b'in shared anonymous memory',
             # Mapped and never touched: it is in the page cache only.
             '/tmp/plain': b'plain text\n'}
    for view in views(guest):
        for area in process.maps:
            if area[6] not in texts:
                continue
            text = texts[area[6]]
            got = view.run('read', hex(area[0]), len(text), '--pid',
                           process.pid, '--raw').ok().out
            check_equal(got, text, '%s, %s' % (view.name, area[6]))


@every_guest
def addresses_of_processes_lead_to_their_bytes(guest):
    process = truth.of(guest).process('target')
    area = [one for one in process.maps
            if one[6] == '/memfd:mapped-memfd (deleted)'][0]
    for view in views(guest):
        got = view.json('translate', hex(area[0]), '--pid', process.pid)
        where = number(got['physical'])
        check_equal(guest.memory_at(where, 10), b'in a memfd', view.name)


def program():
    return guests_tool('population')


def names_of(path, *options):
    """List (address, name) that nm(1) finds in a file, without versions."""
    text = subprocess.run(['nm', *options, path], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    return {(int(address, 16), name.split('@')[0]) for address, kind, name in
            re.findall(r'^([0-9a-f]{16}) ([TtWwi]) (\S+)$', text, re.M)}


@every_guest
def symbols_of_images_are_those_of_their_files(guest):
    process = truth.of(guest).process('target')
    starts = {}
    for area in process.maps:
        starts.setdefault(area[6], area[0])
    libc = [path for path in starts if '/libc.' in path][0]
    for view in views(guest):
        for path, wanted in ((libc, names_of(libc, '-D')),
                             ('/bin/population', names_of(program()))):
            got = {(number(one['addr']) - starts[path], one['name'])
                   for one in view.json('symbols', '--pid', process.pid,
                                        '--module', path)}
            check_equal(wanted - got, set(), '%s, missing of %s' % (
                view.name, path))


@every_guest
def executable_is_rebuilt_from_the_page_cache(guest):
    told = truth.of(guest)
    with open(program(), 'rb') as file:
        wanted = hashlib.sha256(file.read()).hexdigest()
    path = guest.path('executable')
    for view in views(guest):
        for name in ('target', 'many-files'):
            view.run('cat-exe', '--pid', told.process(name).pid, '-o',
                     path).ok()
            with open(path, 'rb') as file:
                check_equal(hashlib.sha256(file.read()).hexdigest(), wanted,
                            '%s, %s' % (view.name, name))
            os.unlink(path)


@every_guest
def images_are_those_that_are_mapped(guest):
    process = truth.of(guest).process('target')
    wanted = sorted({area[6] for area in process.maps
                     if area[2][2] == 'x' and area[6].startswith('/')})
    built = re.search(r'Build ID: (\w+)', subprocess.run(
        ['readelf', '-n', program()], check=True, text=True,
        stdout=subprocess.PIPE).stdout).group(1)
    for view in views(guest):
        got = {one['path']: one for one in
               view.json('images', '--pid', process.pid)}
        check_equal(sorted(path for path in got if path.startswith('/')),
                    wanted, view.name)
        check('[vdso]' in got, view.name, 'no [vdso] in', sorted(got))
        check_equal(got['/bin/population']['build_id'], built, view.name)
        for path in wanted:
            check_equal(number(got[path]['base']),
                        min(area[0] for area in process.maps
                            if area[6] == path), path)


@every_guest
@every_shape
def current_tasks_are_those_that_run(guest):
    told = truth.of(guest)
    wanted = {one['cpu']: one['pid'] for one in told.spinners}
    for view in views(guest):
        if not view.has_registers:
            view.run('ps', '--current', '--json').fails('register')
            continue
        running = {place['cpu']: dict(one, place=place)
                   for one in view.json('ps', '--current')
                   for place in one['vcpus']}
        check_equal(sorted(running), list(range(guest.smp)), view.name)
        for cpu, pid in wanted.items():
            check_equal(running[cpu]['pid'], pid, view.name)
        # It spins in user mode, but for when it is interrupted.
        cpus = cpus_of(guest) if view.name == 'live' else guest.kept['cpus']
        for one in running.values():
            ring, root = cpus[one['place']['vcpu']]
            check_equal(one['place']['user_mode'], ring == 3, view.name)
            if ring == 3:
                check_equal(number(one['user_root']) or number(one['root']),
                            root, '%s, CR3' % view.name)
        # Whatever the first CPU does, most of the time nothing.
        check(running[0]['name'] == 'swapper/0' or
              running[0]['pid'] in told.processes or
              running[0]['name'].startswith('kworker/'),
              view.name, running[0])


@every_guest
def check_finds_nothing_in_an_honest_guest(guest):
    for view in views(guest):
        found = view.json('check')
        check_equal(found['findings'], [], view.name)
        check(found['checks'], view.name, 'nothing was compared')


@every_guest
def system_calls_lead_to_their_handlers(guest):
    address = {name: at for at, _, name, _ in truth.of(guest).kallsyms}
    for view in views(guest):
        got = {one['number']: one for one in view.json('syscalls')}
        for call, name in ((0, 'read'), (1, 'write'), (39, 'getpid'),
                           (59, 'execve'), (231, 'exit_group')):
            check_equal(got[call]['symbol'], '__x64_sys_' + name, view.name)
            check_equal(number(got[call]['handler']),
                        address['__x64_sys_' + name], view.name)
        check(not any(one['foreign'] for one in got.values()), view.name,
              'foreign handlers')


@every_guest
def elf_dump_has_the_note_that_debuggers_need(guest):
    for _ in views(guest):
        pass
    dumps = guest.kept['dumps']
    got = notes_of(dumps['elf'])['VMCOREINFO']
    told = truth.of(guest)
    check(got.startswith(b'OSRELEASE=' + told.files['sys/kernel/osrelease']),
          got[:80])
    # QEMU has it from a driver in the guest, which may not be there.
    wanted = notes_of(dumps['qemu']).get('VMCOREINFO')
    if any(one[0] == 'qemu_fw_cfg' for one in told.modules):
        check_equal(got, wanted, 'VMCOREINFO')


@every_guest
def profile_changes_nothing_but_the_time(guest):
    """What is read with a profile is what is read without one."""
    for view in views(guest):
        if view.name != 'elf':
            continue
        shutil.rmtree(guest.path('profiles'), ignore_errors=True)
        cold = view.run('ps', '--threads', '--json').ok()
        check(os.listdir(guest.path('profiles')), 'no profile was kept')
        warm = view.run('ps', '--threads', '--json').ok()
        check_equal(warm.out, cold.out, 'with a profile')
        none = microvmi('ps', view.target, '--threads', '--json',
                        '--no-profile').ok()
        check_equal(none.out, cold.out, 'with no profile')
