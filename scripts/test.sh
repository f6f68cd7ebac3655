#!/usr/bin/env bash
# Runs the tests and ends with one closing line over all test programs.
#
#   scripts/test.sh [FILTER..]
#
# A server that is not installed makes its tests fail if STRANGLER_REQUIRE_DB=1, and skip loudly otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."

if cargo nextest --version >/dev/null 2>&1; then
  exec cargo nextest run --locked --no-fail-fast -- "$@" # its own summary is the closing line
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
result=0
cargo test --locked --no-fail-fast --lib --bins --tests -- "$@" 2>&1 | tee "$log" || result=$?
# cargo prints one result line for each test program; what counts is their sum.
awk -v result="$result" '
  /^test result: / {
    programs += 1
    for (i = 2; i <= NF; i++) {
      if ($i ~ /^passed/) passed += $(i - 1)
      if ($i ~ /^failed/) failed += $(i - 1)
      if ($i ~ /^ignored/) ignored += $(i - 1)
    }
  }
  END {
    verdict = (result == 0 && failed == 0 && passed > 0) ? "ok" : "FAILED"
    printf "test result: %s. %d passed; %d failed; %d ignored; in %d test programs\n", verdict, passed, failed, ignored, programs
    exit verdict == "ok" ? 0 : 1
  }' "$log"
