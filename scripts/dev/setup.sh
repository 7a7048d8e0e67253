#!/bin/bash
# usage: ./dev setup [build|quick|demo|test|lint|fuzz|bench|all]
#
# Installs the Debian packages that a task needs, with apt-get, as root or
# through sudo, and says which.  When all are there, apt is not called at all.
# The list is scripts/dev/packages.txt.  Without a task: build.
#
# Guest kernels and further QEMUs are not installed: the tests unpack them
# into a cache folder (scripts/guests/fetch --help).
#
# examples:
#   ./dev setup            what ./dev build needs
#   ./dev setup test       what ./dev test needs
#   ./dev setup --list all show the packages, install nothing
. "$ROOT/scripts/dev/common.sh"

list=
case ${1:-} in
-h | --help)
	usage_of "$0"
	exit 0
	;;
--list)
	list=yes
	shift
	;;
esac
task=${1:-build}
[ -n "$(packages_of "$task")" ] || die "setup: no task '$task'"

if [ -n "$list" ]; then
	packages_of "$task" | sort -u
	exit 0
fi
need "$task"
say "all packages for '$task' are installed"
