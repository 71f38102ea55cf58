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
passed=0 failed=0
# names the lines of more than 100 columns
wide() { awk 'length > 100 { print FILENAME ":" FNR ": more than 100 columns"; bad = 1 } END { exit bad }' "$1"; }
while read -r file; do
  if why=$("$tool" --dry-run -Werror "$file" 2>&1) && long=$(wide "$file"); then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "$file: not as .clang-format has it (make format)"
    echo "$why${long-}" | head -n 5
  fi
done < <(make --no-print-directory formatted)
for file in Makefile dsl/*.l dsl/*.y; do
  if wide "$file"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
