# Shared by the files in this folder; sourced, not run.  ROOT is the tree.
# shellcheck shell=bash
set -euo pipefail

: "${ROOT:?run ./dev}"
cd "$ROOT"
export LC_ALL=C.UTF-8

say() {
	printf 'dev: %s\n' "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# Print a file's usage text: the comment at its top.
usage_of() {
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$1"
}

# Number of jobs: as many as there are processors this shell may use.
jobs_count() {
	nproc
}

# List the packages of a task, following @task.
packages_of() {
	local task package rest

	while read -r task package rest; do
		[ "$task" = "$1" ] || continue
		case $package in
		@*) packages_of "${package#@}" ;;
		*) echo "$package" ;;
		esac
	done <"$ROOT/scripts/dev/packages.txt"
}

packages_missing() {
	local package

	for package in $(packages_of "$1" | sort -u); do
		dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null |
			grep -q '^.i' || echo "$package"
	done
}

# Install what a task lacks; say nothing when it lacks nothing.
need() {
	local missing sudo=()

	mapfile -t missing < <(packages_missing "$1")
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null ||
			die "needs root or sudo to install: ${missing[*]}"
		sudo=(sudo)
	fi
	say "for '$1' installing with apt-get: ${missing[*]}"
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get update -q >&2
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends \
		"${missing[@]}" </dev/null >&2
}

# Configure a build folder once, or anew when its options differ:
#   meson_setup FOLDER [VARIABLE=VALUE...] -- OPTION...
meson_setup() {
	local folder=$1 env=() stamp

	shift
	while [ "$1" != -- ]; do
		env+=("$1")
		shift
	done
	shift
	stamp="${env[*]} -- $*"
	if [ ! -f "$folder/build.ninja" ] ||
		[ "$(cat "$folder/.dev-options" 2>/dev/null)" != "$stamp" ]; then
		rm -rf "$folder"
		env "${env[@]}" meson setup "$folder" "$@" >&2 ||
			die "meson setup of $folder failed"
		echo "$stamp" >"$folder/.dev-options"
	fi
}

# Configure, and compile.
meson_build() {
	meson_setup "$@"
	ninja -C "$1" -j "$(jobs_count)" >&2 || die "$1 does not compile"
}

# The release build: -O2 with symbols, so that a report from the field names
# lines, and with assertions off as users get it.
build_release() {
	meson_build build -- --buildtype=debugoptimized -Db_ndebug=true
	local file
	for file in build/microvmi build/libmicrovmi.so; do
		[ -e "$file" ] || die "the build left no $file"
	done
}

# What clang-tidy reads the code as: with assertions, for they tell it what
# cannot be, and with all there is to compile.  Nothing is compiled.
configure_lint() {
	meson_setup build-lint CC=clang -- --buildtype=debug -Dbench=true
	ninja -C build-lint build.ninja >/dev/null || die "build-lint is broken"
}

# The build with sanitizers, by the other compiler, warnings being errors.
build_sanitized() {
	meson_build build-san CC=clang -- --buildtype=debug -Doptimization=1 \
		-Db_sanitize=address,undefined -Db_lundef=false -Dwerror=true
}

tally() {
	python3 "$ROOT/scripts/dev/tally.py" "$@"
}
