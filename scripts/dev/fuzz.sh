#!/bin/bash
# usage: ./dev fuzz [--minutes N] [NAME...]
#
# Builds the fuzzers of tests/fuzz/ with libFuzzer, ASan and UBSan and runs
# each for some minutes (default 1) on one processor, beginning with the
# inputs in tests/fuzz/corpus/NAME/.  New inputs stay in build-fuzz/; a crash
# is copied to tests/fuzz/crash-NAME-HASH, to be fixed and then moved into the
# corpus under the bug's name.
#
# Prints, for each: executions, edges covered, memory.
#
# examples:
#   ./dev fuzz                     each for a minute
#   ./dev fuzz --minutes 10 elf    one of them for ten
. "$ROOT/scripts/dev/common.sh"

minutes=1
names=()
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		usage_of "$0"
		exit 0
		;;
	--minutes)
		minutes=${2:?--minutes needs a number}
		shift
		;;
	-*) die "fuzz: unknown option $1" ;;
	*) names+=("$1") ;;
	esac
	shift
done

# To libFuzzer no time at all means for ever.
[[ $minutes =~ ^[1-9][0-9]*$ ]] || die "fuzz: --minutes needs 1 or more"
need fuzz
meson_build build-fuzz CC=clang -- --buildtype=debugoptimized -Dfuzz=true \
	-Db_sanitize=address,undefined -Db_lundef=false -Dtools=false \
	-Dc_args=-fsanitize=fuzzer-no-link
if [ ${#names[@]} -eq 0 ]; then
	for file in tests/fuzz/fuzz_*.c; do
		name=${file##*/fuzz_}
		names+=("${name%.c}")
	done
fi

# Run one fuzzer and print its row.
fuzz_one() {
	local name=$1 program=build-fuzz/tests/fuzz/fuzz_$1
	local work=$ROOT/build-fuzz/work/$1 log code=0 crash
	local runs edges rss

	[ -x "$program" ] || die "fuzz: no fuzzer '$name'"
	[ -d "tests/fuzz/corpus/$name" ] ||
		die "fuzz: no tests/fuzz/corpus/$name"
	mkdir -p "$work/corpus" "$work/crash"
	log=$work/log
	"$program" "$work/corpus" "tests/fuzz/corpus/$name" \
		-max_total_time=$((minutes * 60)) -rss_limit_mb=2048 -timeout=10 \
		-print_final_stats=1 -artifact_prefix="$work/crash/" \
		>"$log" 2>&1 || code=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	rss=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
	edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
	printf '%-16s %12s %8s %8s  %s\n' "$name" "${runs:-?}" "${edges:-?}" \
		"${rss:-?}" "$([ $code = 0 ] && echo clean || echo "exit $code")"
	[ $code = 0 ] && return 0
	tail -60 "$log"
	for crash in "$work"/crash/*; do
		[ -f "$crash" ] || continue
		cp "$crash" "tests/fuzz/crash-$name-${crash##*-}"
		echo "input: tests/fuzz/crash-$name-${crash##*-}"
	done
	return 1
}

printf '%-16s %12s %8s %8s\n' fuzzer executions edges 'rss MiB'
failed=0
for name in "${names[@]}"; do
	fuzz_one "$name" || failed=$((failed + 1))
done
printf '%d passed, %d failed, 0 skipped\n' $((${#names[@]} - failed)) $failed
[ $failed = 0 ]
