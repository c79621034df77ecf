#!/bin/sh
# Runs a compiler and keeps what it says in a file: compile.sh FILE COMMAND…
# nvcc has no option that writes ptxas's report of registers and spills to a file.
set -u
report=$1
shift
if "$@" 2>"$report"; then exit 0; fi
cat "$report" >&2
exit 1
