#!/bin/bash
# usage: ./dev bench [ARG...]
#
# Builds the release and runs bench/run.sh, which gets the build folder in
# MICROVMI_BUILD and the arguments as they are.
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
build_release
MICROVMI_BUILD=$ROOT/build exec bench/run.sh "$@"
