"""Small dumps that the cases read: deterministic, and made anew each time."""
import os
import struct

ROOT = 0x1000
HELLO = 0x5000


def entry(memory, table, index, value):
    struct.pack_into('<Q', memory, table + 8 * index, value)


def tables():
    """1 MiB of raw memory with 4-level page tables at 0x1000."""
    memory = bytearray(1 << 20)
    entry(memory, ROOT, 511, 0x2003)
    entry(memory, 0x2000, 510, 0x3003)
    entry(memory, 0x3000, 0, 0x83)           # 2 MiB, half of it without RAM
    entry(memory, 0x3000, 1, 0x4003)
    entry(memory, 0x4000, 0, HELLO | 0x8000000000000163)
    entry(memory, 0x4000, 1, 0x6000 | 0x27)
    entry(memory, 0x4000, 3, 0x1000000 | 3)  # a page where there is no RAM
    memory[HELLO:HELLO + 16] = b'hello, microvmi!'
    memory[0x5ff8:0x6008] = bytes(range(16))
    return memory


def note(name, kind, data):
    name = name.encode() + b'\0'
    head = struct.pack('<III', len(name), len(data), kind)
    return head + name + b'\0' * (-len(name) % 4) + data + \
        b'\0' * (-len(data) % 4)


def segment(selector, flags, base=0, limit=0xffffffff):
    return struct.pack('<IIIIQ', selector, limit, flags, 0, base)


def qemu_state(seed):
    """The state of one vCPU in long mode, as a QEMU dump has it."""
    data = struct.pack('<II', 1, 440)
    for number in range(16):
        data += struct.pack('<Q', seed << 32 | number)
    data += struct.pack('<QQ', 0xffffffff80200000, 0x246)
    data += segment(0x10, 0xaf9b00) + segment(0, 0) + segment(0, 0)
    data += segment(0, 0, 0x7f0000000000) + segment(0, 0, seed << 40)
    data += segment(0x18, 0xcf9300) + segment(0, 0) + \
        segment(0x40, 0x8b00, 0xfffffe0000003000, 0x206f)
    data += segment(0, 0, 0xfffffe0000001000, 0x7f)
    data += segment(0, 0, 0xfffffe0000000000, 0xfff)
    for value in (0x80050033, 0, 0xdead000, ROOT, 0x6f0):
        data += struct.pack('<Q', value)
    return data + struct.pack('<Q', 0)


def elf(memory, notes):
    """An ELF core: memory at 0, and a page of 0x11 at 4 GiB."""
    high = b'\x11' * 4096
    parts = [(4, 0, 0, len(notes)), (1, 0, 0, len(memory)),
             (1, 0, 1 << 32, len(high))]
    offset = 0x1000
    head = b'\x7fELF\2\1\1' + b'\0' * 9 + struct.pack(
        '<HHIQQQIHHHHHH', 4, 62, 1, 0, 64, 0, 0, 64, 56, len(parts), 0, 0, 0)
    for kind, _, address, length in parts:
        head += struct.pack('<IIQQQQQQ', kind, 7, offset, 0, address, length,
                            length, 0)
        offset += length + -length % 4096
    body = notes + b'\0' * (-len(notes) % 4096)
    return head + b'\0' * (0x1000 - len(head)) + body + bytes(memory) + high


def make(folder):
    def write(name, data):
        with open(os.path.join(folder, name), 'wb') as file:
            file.write(data)

    memory = tables()
    notes = note('QEMU', 0, qemu_state(1)) + note('QEMU', 0, qemu_state(2))
    write('tables.raw', memory)
    write('two.elf', elf(memory, notes))
    write('cut.elf', elf(memory, notes)[:0x20000])
    write('text', b'from a file')
