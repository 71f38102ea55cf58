#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs every test given as one argument each ("build/tests/run tests/front"),
# shows a line for each and the whole output of those that failed, and ends with
# the sum: N passed, N failed[, N skipped]. A test binary ends either with such a
# line itself or with cmocka's; one that prints neither, or dies, has failed.
# CPU time is that of the test and of all it started, user and system.
set -u
logs=build/tests/log
mkdir -p "$logs"
passed=0 failed=0 skipped=0 cpu_sum=0
TIMEFORMAT='%U %S' # of bash's time
declare -A used
for test in "$@"; do
  read -r -a words <<<"$test"
  name=$(basename "${words[0]}")
  log="$logs/$name.log"
  for ((n = 2; n <= $#; n++)); do # two runs of one program keep a log each
    [ -z "${used[$log]-}" ] && break
    log="$logs/$name-$n.log"
  done
  used[$log]=1
  begin=$SECONDS
  { time "${words[@]}" >"$log" 2>&1 </dev/null; } 2>"$logs/cpu"
  status=$?
  cpu=$(tail -n 1 "$logs/cpu" | tr , . | LC_ALL=C awk '{ printf "%.1f", $1 + $2 }')
  cpu_sum=$(LC_ALL=C awk -v a="$cpu_sum" -v b="$cpu" 'BEGIN { printf "%.1f", a + b }')
  read -r p f s < <(awk '
    /^[0-9]+ passed, [0-9]+ failed/        { p += $1; f += $3; if ($6 == "skipped") s += $5; said = 1 }
    /^\[  PASSED  \] [0-9]+ test/          { p += $4; said = 1 }
    /^\[  FAILED  \] .*[0-9]+ test\(s\), listed/ { for (i = 1; i <= NF; i++) if ($i ~ /^test\(s\)/) f += $(i - 1); said = 1 }
    /^\[  SKIPPED \] .*[0-9]+ test\(s\), listed/ { for (i = 1; i <= NF; i++) if ($i ~ /^test\(s\)/) s += $(i - 1); said = 1 }
    END { print p + 0, said ? f + 0 : 1, s + 0 }' "$log")
  [ "$status" -ne 0 ] && [ "$f" -eq 0 ] && f=1
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  printf '%-28s %5d passed %4d failed %4d skipped   %3d s %6s s of CPU\n' \
    "$name" "$p" "$f" "$s" $((SECONDS - begin)) "$cpu"
  [ "$s" -gt 0 ] && grep -E 'SKIP' "$log" | head -n 5
  if [ "$f" -gt 0 ]; then
    echo "---- $test (exit status $status), the end of its output:"
    tail -n 60 "$log"
    echo "----"
  fi
done
printf '%s s of CPU time, user and system\n' "$cpu_sum"
if [ "$skipped" -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"
else echo "$passed passed, $failed failed"; fi
[ "$failed" -eq 0 ]
