#!/bin/sh
# Runs a test on Oclgrind, whose exit status stays 0 whatever it finds: passed means that its log is empty.
set -u
log=$(mktemp)
OCLGRIND_LOG=$log "$@"
status=$?
if [ -s "$log" ]; then
    head -n 40 "$log" >&2
    status=1
fi
rm -f "$log"
exit "$status"
