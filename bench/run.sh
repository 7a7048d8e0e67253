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
if [ -n "$target" ] || start_qemu; then
	"$build/bench/bench_target" "$target"
else
	echo 'bench: no QEMU here: nothing said of unmapped RAM' >&2
fi
