#!/bin/bash
# usage: ./dev test [--quick | --full] [--fuzz MINUTES]
#
# Sets up what it needs, builds and tests, in three tiers:
#   --quick    unit, golden and conformance tests; at most 3 minutes
#   (default)  those, again under ASan and UBSan, the fuzzers' corpus, lint,
#              and one live run per driver; at most 30 minutes on two cores
#   --full     the default's, with every QEMU version and memory layout
#   --fuzz N   afterwards each fuzzer for N minutes
#
# Prints what failed with its output, what was skipped and why, minutes per
# suite, and closes with one line: N passed, N failed, N skipped.
#
# examples:
#   ./dev test --quick
#   ./dev test
#   ./dev test --full --fuzz 10
. "$ROOT/scripts/dev/common.sh"

tier=default
fuzz=
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		usage_of "$0"
		exit 0
		;;
	--quick) tier=quick ;;
	--full) tier=full ;;
	--fuzz)
		fuzz=${2:?--fuzz needs minutes}
		shift
		;;
	*) die "test: unknown argument $1" ;;
	esac
	shift
done

results=$(mktemp)
trap 'rm -f "$results"' EXIT

# Run one step; its failure is in the results, and the next steps still run.
step() {
	tally --results "$results" "$@" || :
}

# Compile in a step of its own, so that a failure is counted and said.
compile() {
	step exit "$1" -- bash -c ". scripts/dev/common.sh; $2"
}

suites() {
	step meson "$1" "$2" unit golden conform quick "${@:3}"
}

if [ $tier = quick ]; then
	need quick
else
	need test
fi
compile build build_release
suites build ''

if [ $tier != quick ]; then
	compile build-san build_sanitized
	suites build-san -san fuzz
	compile lint-setup configure_lint
	step tap lint -- bash scripts/checks/run
	live=()
	[ $tier != full ] || live=(--full)
	step tap live -- python3 tests/live/run.py --build build "${live[@]}"
fi
if [ -n "$fuzz" ]; then
	step exit fuzz -- bash scripts/dev/fuzz.sh --minutes "$fuzz"
fi
tally --results "$results" summary
