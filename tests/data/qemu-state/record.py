#!/usr/bin/env python3
"""Record a QEMU's device state for tests/unit/test_qemu_state.c.

usage: record.py VERSION COMMAND...

  record.py 7.2 qemu-system-x86_64

writes VERSION-*.bin and VERSION-*.txt beside this file.
"""
import array
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = os.path.join(HERE, '..', '..', '..', 'scripts', 'guests', 'tiny')
PLUG = {'driver': 'qemu64-x86_64-cpu', 'id': 'plugged', 'socket-id': 1,
        'die-id': 0, 'core-id': 1, 'thread-id': 0, 'rdtscp': True}
MACHINES = {
    'pc-1': (['-M', 'pc', '-cpu', 'max'], None),
    'q35-4': (['-M', 'q35', '-cpu', 'max', '-smp', '4', '-device',
               'pcie-root-port,id=rp,bus=pcie.0,chassis=1'], None),
    'hotplug': (['-M', 'q35', '-cpu', 'qemu64,+rdtscp', '-smp',
                 '1,maxcpus=6,sockets=2,cores=3'], PLUG),
    'kvm': (['-M', 'pc', '-accel', 'kvm', '-cpu', 'qemu64', '-smp', '2'],
            None),
}


class Monitor:
    """A QMP connection over one end of a socket pair."""

    def __init__(self, sock):
        self.sock = sock
        self.lines = sock.makefile('r')
        json.loads(self.lines.readline())
        self.command('qmp_capabilities')

    def command(self, name, fds=(), **arguments):
        text = json.dumps({'execute': name, 'arguments': arguments}) + '\n'
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                   array.array('i', fds))] if fds else []
        self.sock.sendmsg([text.encode()], rights)
        while True:
            reply = json.loads(self.lines.readline())
            if 'error' in reply:
                sys.exit('%s: %s' % (name, reply['error']['desc']))
            if 'return' in reply:
                return reply['return']

    def device_state(self):
        memfd = os.memfd_create('state')
        write = os.open('/proc/self/fd/%d' % memfd, os.O_WRONLY)
        fdset = self.command('add-fd', [write])['fdset-id']
        self.command('xen-save-devices-state', live=True,
                     filename='/dev/fdset/%d' % fdset)
        self.command('remove-fd', **{'fdset-id': fdset})
        state = os.pread(memfd, os.fstat(memfd).st_size, 0)
        os.close(write)
        os.close(memfd)
        return state


def wait_for_guest(log):
    for _ in range(100):
        with open(log, 'rb') as file:
            if b'READY' in file.read():
                return
        time.sleep(0.1)
    sys.exit('the guest does not come up')


def record(prefix, command, options, plug):
    ours, theirs = socket.socketpair()
    with tempfile.NamedTemporaryFile() as log:
        command = command + options + [
            '-m', '16', '-nodefaults', '-display', 'none',
            '-serial', 'file:' + log.name,
            '-chardev', 'socket,id=qmp,fd=%d' % theirs.fileno(),
            '-mon', 'chardev=qmp,mode=control']
        if 'kvm' not in options:
            image = subprocess.check_output([TINY], text=True).strip()
            command += ['-kernel', image]
        qemu = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        monitor = Monitor(ours)
        if 'kvm' in options:
            time.sleep(1.5)
        else:
            wait_for_guest(log.name)
        if plug:
            monitor.command('device_add', **plug)
        monitor.command('stop')
        state = monitor.device_state()
        registers = monitor.command('human-monitor-command', **{
            'command-line': 'info registers -a'})
        monitor.command('quit')
        qemu.wait()
    with open(prefix + '.bin', 'wb') as file:
        file.write(state)
    with open(prefix + '.txt', 'w', encoding='ascii') as file:
        file.write(registers.replace('\r\n', '\n'))


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    for name, (options, plug) in MACHINES.items():
        if 'kvm' in options and not os.access('/dev/kvm', os.W_OK):
            continue
        record(os.path.join(HERE, '%s-%s' % (sys.argv[1], name)),
               sys.argv[2:], options, plug)


if __name__ == '__main__':
    main()
