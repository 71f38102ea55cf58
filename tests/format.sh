#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Does the tree say its licence, keep to 100 columns and obey .clang-format? One test a file.
# Versions of clang-format differ in what they make of one configuration, so only the one that
# the tree was formatted with is asked.
set -u
mapfile -t formatted < <(make --no-print-directory formatted)
# What has a licence line of its own, in one of the first two lines (a script's first is its #!).
# Not what becomes part of generated text, which may be used under any terms (the preludes,
# *.inc, *.html), and not what is written in the language or the IR.
mapfile -t sources < <(
  printf '%s\n' Makefile .ci/run
  find dsl compiler runtime tests ! -path 'compiler/c*/prelude*' ! -path compiler/emit/scalar.h \
    \( -name '*.[chly]' -o -name '*.def' -o -name '*.sh' -o -name '*.py' \) | sort
)
mapfile -t all < <(printf '%s\n' "${formatted[@]}" "${sources[@]}" | sort -u)

# One run of each tool for all files, which begins what it says of one with its name and a colon.
said=$(
  awk 'FNR <= 2 && /SPDX-License-Identifier: MIT/ { print FILENAME }' "${sources[@]}" |
    grep -vxFf - <(printf '%s\n' "${sources[@]}") | sed 's/$/: no SPDX-License-Identifier: MIT/'
  awk 'length > 100 { print FILENAME ":" FNR ": more than 100 columns" }' \
    "${formatted[@]}" Makefile dsl/*.l dsl/*.y
)
want=14 status=0 skipped=0
tool=$(command -v clang-format-$want || command -v clang-format)
version=$("${tool:-false}" --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
if [ "$version" = "$want" ]; then
  said+=$'\n'$("$tool" --dry-run -Werror "${formatted[@]}" 2>&1) || status=1
else
  skipped=1
  echo "SKIP: clang-format $want is not installed${version:+ (found $version)}"
fi

passed=0 failed=0
for file in "${all[@]}"; do
  if why=$(grep -m 5 "^$file:" <<<"$said"); then
    failed=$((failed + 1))
    echo "$file: not as .clang-format has it (make format), too wide, or without its licence"
    echo "$why"
  else
    passed=$((passed + 1))
  fi
done
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
  failed=1
  head -n 20 <<<"$said"
fi
if [ "$skipped" -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"
else echo "$passed passed, $failed failed"; fi
[ "$failed" -eq 0 ]
