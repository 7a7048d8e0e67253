#!/bin/bash
# usage: ./dev lint [CHECK...]
#
# Runs each check and says what it found; without a name, all of them:
#   format      clang-format: the files look as .clang-format says
#   tidy        clang-tidy with .clang-tidy, warnings being errors
#   cppcheck    cppcheck, each suppression explained where it stands
#   shell       shellcheck over the scripts
#   layers      a file includes only what lies under its layer
#   headers     each header compiles alone, the public ones as C11 and C++14
#   abi         exported symbols are those of abi/microvmi.symbols
#   words       no paths of someone's machine, no notes to finish later
#
# examples:
#   ./dev lint
#   ./dev lint format layers
#   clang-format -i FILE   mend the formatting of a file
. "$ROOT/scripts/dev/common.sh"

all=(format layers words headers shell abi cppcheck tidy)
case ${1:-} in
-h | --help)
	usage_of "$0"
	exit 0
	;;
esac

need lint
build_release
configure_lint
[ $# -gt 0 ] || set -- "${all[@]}"
results=$(mktemp)
trap 'rm -f "$results"' EXIT
code=0
tally --results "$results" tap lint -- bash scripts/checks/run "$@" || code=1
tally --results "$results" summary || code=1
exit $code
