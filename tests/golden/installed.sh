#!/bin/sh
# usage: installed.sh BUILD SOURCE
#
# Installs the library below a scratch prefix, and compiles an example against
# it as a stranger would: cc, pkg-config, nothing else. Prints TAP.
# shellcheck disable=SC2317 # The functions are called by name, through check.
set -eu

build=$1
source=$2
prefix=$(mktemp -d "${TMPDIR:-/tmp}/microvmi-installed.XXXXXX")
trap 'rm -rf "$prefix"' EXIT
number=0

check() {
	number=$((number + 1))
	name=$1
	shift
	if "$@" >"$prefix/log" 2>&1; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		sed 's/^/# /' "$prefix/log"
		failed=1
	fi
}

installs() {
	DESTDIR=$prefix/root meson install -C "$build" --no-rebuild --quiet
}

# Where the headers and the library lie below the scratch prefix.
flags() {
	found=$(find "$prefix/root" -name libmicrovmi.pc)
	PKG_CONFIG_SYSROOT_DIR=$prefix/root \
		PKG_CONFIG_PATH=$(dirname "$found") \
		pkg-config "$@" libmicrovmi
}

compiles() {
	# shellcheck disable=SC2046 # pkg-config prints words.
	"${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -Werror \
		$(flags --cflags) "$source/examples/mem-dump.c" \
		-o "$prefix/mem-dump" $(flags --libs)
}

runs() {
	head -c 8192 /dev/urandom >"$prefix/a.raw"
	library=$(dirname "$(find "$prefix/root" -name libmicrovmi.so)")
	LD_LIBRARY_PATH=$library "$prefix/mem-dump" "$prefix/a.raw" \
		>"$prefix/b.raw"
	cmp "$prefix/a.raw" "$prefix/b.raw"
}

is_short() {
	[ "$(wc -l <"$source/examples/mem-dump.c")" -lt 40 ]
}

failed=0
echo 1..4
check 'meson installs below DESTDIR' installs
check 'mem-dump.c compiles by pkg-config with -std=c11 -Wpedantic' compiles
check 'mem-dump copies a dump byte for byte' runs
check 'mem-dump.c has fewer than 40 lines' is_short
exit $failed
