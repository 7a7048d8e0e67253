"""Ground truth: what a guest's own /proc said, taken inside the guest.

tests/guests/population.c leaves it in the guest's memory, as files, and tells
where on its console.  It is fetched by QEMU's monitor, with no help from what
is being tested.
"""
import re
import zlib

from harness import check_equal

PAGE = 4096
WINDOW = 64 << 20


def frames_of(guest, read):
    """Follow the index: pages of 512 numbers, the first the next page."""
    frames, at = [], guest.symbol('truth') // PAGE
    while at:
        page = read(at)
        numbers = [int.from_bytes(page[i:i + 8], 'little')
                   for i in range(0, PAGE, 8)]
        frames += [number for number in numbers[1:] if number]
        at = numbers[0]
    return frames


def fetch(guest):
    """Return the bytes that the guest left."""
    windows = {}

    def read(frame):
        number, offset = divmod(frame * PAGE, WINDOW)
        if number not in windows:
            for start, length in guest.ram_regions():
                begin = max(start, number * WINDOW)
                end = min(start + length, (number + 1) * WINDOW)
                if begin <= frame * PAGE < end:
                    windows[number] = (begin - number * WINDOW,
                                       guest.memory_at(begin, end - begin))
        skip, data = windows[number]
        return data[offset - skip:offset - skip + PAGE]

    length = int(re.search(r'\blength=(\d+)', guest.marker).group(1))
    data = b''.join(read(frame) for frame in frames_of(guest, read))[:length]
    check_equal(len(data), length, 'length of the truth')
    check_equal(zlib.adler32(data), guest.symbol('adler'), 'its checksum')
    return data


def unpack(data):
    """Return {name: bytes} of "FILE length name" and bytes, repeated."""
    files, at = {}, 0
    while at < len(data):
        end = data.index(b'\n', at)
        word, length, name = data[at:end].split(b' ', 2)
        check_equal(word, b'FILE', 'word at %d' % at)
        at = end + 1 + int(length, 16)
        files[name.decode()] = data[end + 1:at]
    return files


def stat_fields(text):
    """Split /proc/PID/stat; the name may hold spaces and parentheses."""
    pid, _, rest = text.partition(' (')
    name, _, rest = rest.rpartition(') ')
    fields = rest.split()
    return {'pid': int(pid), 'name': name.split('\n')[0], 'state': fields[0],
            'ppid': int(fields[1]), 'session': int(fields[3]),
            'flags': int(fields[6]), 'threads': int(fields[17]),
            'start': int(fields[19]), 'cpu': int(fields[36])}


def status_fields(text):
    """Split /proc/PID/status."""
    return dict(re.findall(r'^(\w+):\t?(.*)$', text, re.M))


def unescape(text):
    """Undo what the kernel does to odd characters in a list's paths."""
    return re.sub(r'\\([0-7]{3})', lambda found: chr(int(found.group(1), 8)),
                  text).encode('latin-1').decode('utf-8', 'replace')


class Task:
    """A thread, or the process of which it is the first."""

    def __init__(self, files, folder):
        def text(name):
            return files[folder + '/' + name].decode('utf-8', 'replace')
        self.stat = stat_fields(text('stat'))
        self.status = status_fields(text('status'))
        self.pid, self.state = self.stat['pid'], self.stat['state']
        self.tgid = int(self.status['Tgid'])
        self.ppid = int(self.status['PPid'])
        # stat has the long names of kernel threads, but cuts at a newline.
        self.name = self.stat['name']
        self.uids = [int(one) for one in self.status['Uid'].split()]
        self.gids = [int(one) for one in self.status['Gid'].split()]
        self.capabilities = int(self.status['CapEff'], 16)
        self.is_kernel = bool(self.stat['flags'] & 0x200000)

    @property
    def is_worker(self):
        return self.is_kernel and self.name.startswith('kworker/')


class Process(Task):
    """All that was written about a process."""

    def __init__(self, files, pid):
        super().__init__(files, 'proc/%d' % pid)
        self.files, self.folder = files, 'proc/%d/' % pid
        tids = {int(name.split('/')[3]) for name in files
                if name.startswith(self.folder + 'task/')}
        self.threads = [Task(files, '%stask/%d' % (self.folder, tid))
                        for tid in sorted(tids)]

    def strings(self, name):
        data = self.files[self.folder + name]
        return [one.decode('utf-8', 'replace')
                for one in data.split(b'\0')[:-1]]

    def links(self, name):
        """Return {name: target} of a folder's links."""
        text = self.files.get(self.folder + name, b'')
        return dict(line.split('\t', 1) for line in
                    text.decode('utf-8', 'replace').splitlines())

    @property
    def maps(self):
        """List (start, end, perms, offset, device, inode, path)."""
        found = []
        for line in self.files[self.folder + 'maps'].decode(
                'utf-8', 'replace').splitlines():
            fields = line.split(None, 5)
            start, end = fields[0].split('-')
            found.append((int(start, 16), int(end, 16), fields[1],
                          int(fields[2], 16), fields[3], int(fields[4]),
                          fields[5] if len(fields) > 5 else ''))
        return found

    def fdinfo(self, number):
        """Return {'pos': …, 'flags': …} of an open file."""
        text = self.files['%sfdinfo/%s' % (self.folder, number)].decode()
        return dict(re.findall(r'^([\w-]+):\s*(.*)$', text, re.M))


class Truth:
    """All that a guest wrote about itself."""

    def __init__(self, data):
        self.files = unpack(data)
        pids = {int(name.split('/')[1]) for name in self.files
                if re.match(r'proc/\d+/status$', name)}
        # A process may have ended while it was being written about.
        self.processes = {pid: Process(self.files, pid)
                          for pid in sorted(pids)
                          if 'proc/%d/stat' % pid in self.files}

    def text(self, name):
        return self.files[name].decode('utf-8', 'replace')

    def lines(self, name):
        return self.text(name).splitlines()

    @property
    def kallsyms(self):
        """List (address, type, name, module) in order."""
        found = []
        for line in self.lines('kallsyms'):
            symbol, _, module = line.partition('\t')
            address, kind, name = symbol.split(' ', 2)
            found.append((int(address, 16), kind, name,
                          module.strip('[] ')))
        return found

    @property
    def modules(self):
        """List (name, size, use count, state, base) in order."""
        found = []
        for line in self.lines('modules'):
            name, size, uses, _, state, base = line.split()[:6]
            found.append((name, int(size), int(uses), state.lower(),
                          int(base, 16)))
        return found

    @property
    def mounts(self):
        """List (id, parent, device, root, path, type, source)."""
        found = []
        for line in self.lines('mountinfo'):
            first, _, last = line.partition(' - ')
            fields, last = first.split(), last.split()
            found.append((int(fields[0]), int(fields[1]), fields[2],
                          unescape(fields[3]), unescape(fields[4]), last[0],
                          unescape(last[1])))
        return found

    @property
    def log(self):
        """List (sequence, microseconds, level, facility, text)."""
        found = []
        for line in self.files['kmsg'].split(b'\n'):
            # " KEY=value" continues a record with what describes a device.
            head, _, text = line.partition(b';')
            if line[:1] in (b' ', b'') or not text:
                continue
            fields = head.split(b',')
            text = re.sub(rb'\\x([0-9a-f]{2})',
                          lambda one: bytes([int(one.group(1), 16)]), text)
            priority = int(fields[0])
            found.append((int(fields[1]), int(fields[2]), priority & 7,
                          priority >> 3, text.decode('utf-8', 'replace')))
        return found

    def process(self, name):
        """The process of a name of which there is one."""
        found = [one for one in self.processes.values() if one.name == name]
        check_equal(len(found), 1, 'processes called ' + name)
        return found[0]

    @property
    def users(self):
        """Processes that have memory of their own and stand still; of those
        of one name the first."""
        found = {}
        for one in self.processes.values():
            if not one.is_kernel and one.state != 'Z' and \
                    one.name not in ('truth', 'storm', 'short-lived'):
                found.setdefault(one.name, one)
        return list(found.values())

    @property
    def spinners(self):
        """List the stat fields of what spins, one for each CPU but one."""
        return [stat_fields(self.text(name)) for name in self.files
                if name.startswith('spinner/')]


def of(guest):
    """Return the truth about a guest, which is fetched once."""
    if 'truth' not in guest.kept:
        guest.kept['truth'] = Truth(fetch(guest))
    return guest.kept['truth']
