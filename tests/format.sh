#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Does the tree obey .clang-format and keep to 100 columns? One test a file. Versions of the tool differ in what they make of
# one configuration, so only the one that the tree was formatted with is asked.
set -u
want=14
tool=$(command -v clang-format-$want || command -v clang-format)
version=$("${tool:-false}" --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
if [ "$version" != "$want" ]; then
  echo "SKIP: clang-format $want is not installed${version:+ (found $version)}"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
mapfile -t files < <(make --no-print-directory formatted)
# One run of each tool for all files, which begins what it says of one with its name and a colon.
said=$("$tool" --dry-run -Werror "${files[@]}" 2>&1)
status=$?
said+=$'\n'$(awk 'length > 100 { print FILENAME ":" FNR ": more than 100 columns" }' "${files[@]}" Makefile dsl/*.l dsl/*.y)
passed=0 failed=0
for file in "${files[@]}" Makefile dsl/*.l dsl/*.y; do
  if why=$(grep -m 5 "^$file:" <<<"$said"); then
    failed=$((failed + 1))
    echo "$file: not as .clang-format has it (make format), or too wide"
    echo "$why"
  else
    passed=$((passed + 1))
  fi
done
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
  failed=1
  head -n 20 <<<"$said"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
