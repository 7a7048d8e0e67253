#!/bin/bash
# usage: ./dev build
#
# Compiles everything and leaves build/microvmi and build/libmicrovmi.so.
# Optimised (-O2) with debug symbols: as users get it, and a crash still
# names its line.  Installs the packages it needs first (./dev setup build).
#
# examples:
#   ./dev build
#   ./dev build && build/microvmi list
. "$ROOT/scripts/dev/common.sh"

case ${1:-} in
-h | --help)
	usage_of "$0"
	exit 0
	;;
?*) die "build: takes no argument" ;;
esac

need build
build_release
say "built build/microvmi and build/libmicrovmi.so"
