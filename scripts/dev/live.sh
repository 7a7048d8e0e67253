#!/bin/bash
# usage: ./dev live [--qemu VERSION] [--full] [--only WORDS] [--list] [NAME...]
#
# Runs the tests in tests/live/, those that boot a guest.  Without a name:
# all of them.  Guests and QEMUs come from the cache, where they are unpacked
# at first use (scripts/guests/fetch --help).
#
#   --qemu VERSION  7.2 (the system's; default), 10.0, 11.1
#   --full          every QEMU version, every memory layout, every kernel
#   --only WORDS    what has each of these words in its name or its guest, as
#                   --list shows them; of --full, too
#   --list          name the tests
#
# examples:
#   ./dev live                      all, against QEMU 7.2
#   ./dev live --qemu 11.1 memory   tests/live/test_memory.py, against 11.1
#   ./dev live --only "kernel-7.3 qemu64 pti=on" linux
. "$ROOT/scripts/dev/common.sh"

for word; do
	case $word in
	-h | --help)
		usage_of "$0"
		exit 0
		;;
	--list)
		exec python3 tests/live/run.py "$@"
		;;
	esac
done

need test
build_release
results=$(mktemp)
trap 'rm -f "$results"' EXIT
code=0
tally --results "$results" tap live -- \
	python3 tests/live/run.py --build build "$@" || code=1
tally --results "$results" summary || code=1
exit $code
