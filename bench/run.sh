#!/bin/bash
# usage: bench/run.sh [BUILD_DIR [TARGET]]
#
# Prints one table of what the library costs, in Markdown.  BUILD_DIR (or
# MICROVMI_BUILD) is configured with -Dbench=true.  TARGET is a VM with RAM that
# is not shared; without one a QEMU of 256 MiB is started for it, if there is
# a QEMU.  ./dev bench does all of that.
set -euo pipefail

case ${1:-} in
-h | --help)
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac

build=${1:-${MICROVMI_BUILD:?usage: bench/run.sh BUILD_DIR [TARGET]}}
target=${2:-}
work=$(mktemp -d)
qemu_pid=

finish() {
	if [ -n "$qemu_pid" ]; then
		kill "$qemu_pid" 2>/dev/null || true
		wait "$qemu_pid" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap finish EXIT

# Start a VM whose RAM is anonymous memory and all touched, so that both ways
# copy pages; its BIOS finds nothing to boot.
start_qemu() {
	command -v qemu-system-x86_64 >/dev/null || return 1
	qemu-system-x86_64 -m 256 -display none -nodefaults \
		-object memory-backend-ram,id=ram,size=256M,prealloc=on \
		-machine pc,memory-backend=ram \
		-qmp "unix:$work/qmp,server=on,wait=off" >"$work/log" 2>&1 &
	qemu_pid=$!
	for _ in $(seq 100); do
		[ -S "$work/qmp" ] && break
		sleep 0.1
	done
	target=qemu:$work/qmp
	# Until the BIOS has given up and waits.
	sleep 3
}

# Boot a Debian guest, dump it, and end it:
#   boot_and_dump KERNEL MEMORY MODE NAME   -> $work/NAME.elf, $work/NAME.raw
boot_and_dump() {
	local guests initramfs folder pid
	guests=$(dirname "$0")/../scripts/guests
	folder=$("$guests/fetch" "$1") || return 1
	initramfs=$("$guests/initramfs") || return 1
	qemu-system-x86_64 -m "$2" -nodefaults -display none -no-reboot \
		-cpu max -smp 2 -kernel "$folder"/boot/vmlinuz-* \
		-initrd "$initramfs" -serial "file:$work/serial" \
		-append "console=ttyS0 quiet panic=-1 microvmi.mode=$3" \
		-object "memory-backend-memfd,id=ram,size=$2,share=on" \
		-machine pc,memory-backend=ram \
		-qmp "unix:$work/dump.qmp,server=on,wait=off" \
		</dev/null >"$work/log" 2>&1 &
	pid=$!
	for _ in $(seq 600); do
		grep -qs '^MICROVMI-READY' "$work/serial" && break
		sleep 0.2
	done
	for format in elf raw; do
		"$build/microvmi" dump "qemu:$work/dump.qmp" --format $format \
			-o "$work/$4.$format" >/dev/null || break
	done
	kill "$pid"
	wait "$pid" 2>/dev/null || true
	rm -f "$work/serial"
	[ -f "$work/$4.raw" ]
}

# What it costs to understand guests that nothing is known of.
bench_guests() {
	command -v qemu-system-x86_64 >/dev/null || return 1
	boot_and_dump kernel-6.12 256M idle small || return 1
	"$build/bench/bench_os" "256 MiB guest" "<= 100 ms" \
		"$work/small.elf" "$work/profiles"
	"$build/bench/bench_os" "256 MiB, bare raw dump" "<= 100 ms" \
		"$work/small.raw"
	rm -f "$work"/small.*
	boot_and_dump kernel-6.12 4G idle large || return 1
	"$build/bench/bench_os" "4 GiB guest" "<= 300 ms" "$work/large.elf"
	"$build/bench/bench_os" "4 GiB, bare raw dump" "<= 1 s" "$work/large.raw"
	rm -f "$work"/large.*
	boot_and_dump kernel-6.12 512M crowd crowd || return 1
	"$build/bench/bench_os" "1,000 processes" "" "$work/crowd.elf"
}

# Processor time of a command, children included, in ms: the least of three.
cpu_ms() {
	local TIMEFORMAT='%U %S'
	for _ in 1 2 3; do
		{ time "$@" >/dev/null 2>&1; } 2>&1 |
			awk '{ printf "%.0f\n", ($1 + $2) * 1000 }'
	done | sort -n | head -1
}

# Beside drgn, which needs the kernel's debug symbols: where ./dev live --full
# oracles has left both in the cache.
bench_drgn() {
	local guests cache root debug
	guests=$(dirname "$0")/../scripts/guests
	cache=$(dirname "$("$guests/fetch" busybox)")
	root=$cache/oracles
	debug=$(find "$cache/debug-6.1" -name 'vmlinux-*' 2>/dev/null | head -1)
	[ -d "$root" ] && [ -n "$debug" ] || return 1
	boot_and_dump kernel-6.1 256M idle drgn || return 1
	cat >"$work/tasks.py" <<-'END'
		import sys, drgn
		from drgn.helpers.linux.pid import for_each_task
		prog = drgn.Program()
		prog.set_core_dump(sys.argv[1])
		prog.load_debug_info([sys.argv[2]])
		for task in for_each_task(prog):
		    print(task.pid.value_(), task.comm.string_())
	END
	ours=$(cpu_ms "$build/microvmi" ps --no-profile "$work/drgn.elf")
	theirs=$(PYTHONHOME=$root/usr cpu_ms "$root/lib64/ld-linux-x86-64.so.2" \
		--library-path "$root/usr/lib/x86_64-linux-gnu" \
		"$root/usr/bin/python3" "$work/tasks.py" "$work/drgn.elf" "$debug")
	echo "| \`microvmi ps\`, nothing known, vs drgn with debug symbols |" \
		"$ours ms | $theirs ms | $((theirs / (ours ? ours : 1))) | |"
}

cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1)
echo "Machine: ${cpu:-unknown processor}, $(nproc) processors," \
	"Linux $(uname -r | cut -d- -f1), $(uname -m)."
echo
echo '| what | ours | direct | direct / ours | wanted |'
echo '|---|---|---|---|---|'
"$build/bench/bench_library"
"$build/bench/bench_symbols"
btf=/sys/kernel/btf/vmlinux
if [ -r "$btf" ]; then
	"$build/bench/bench_types" "$btf"
else
	echo 'bench: no BTF of this kernel: nothing said of types' >&2
fi
bench_guests || echo 'bench: no Debian guest here: nothing said of those' >&2
bench_drgn || echo 'bench: no drgn in the cache: nothing said of it' >&2
if [ -n "$target" ] || start_qemu; then
	"$build/bench/bench_target" "$target"
else
	echo 'bench: no QEMU here: nothing said of unmapped RAM' >&2
fi
