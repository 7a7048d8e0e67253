#!/bin/bash
# usage: ./dev bench [ARG...]
#
# Builds at -O3 without assertions, in build-bench/, and runs bench/run.sh,
# which gets that folder in MICROVMI_BUILD and the arguments as they are.
#
# examples:
#   ./dev bench
#   ./dev bench --help     ... is this text; ./dev bench -- --help is run.sh's
. "$ROOT/scripts/dev/common.sh"

case ${1:-} in
-h | --help)
	usage_of "$0"
	exit 0
	;;
--) shift ;;
esac

[ -x bench/run.sh ] || die "bench: bench/run.sh is not there"
need bench
meson_build build-bench -- --buildtype=release -Db_ndebug=true -Dbench=true \
	-Dtests=false
MICROVMI_BUILD=$ROOT/build-bench exec bench/run.sh "$@"
