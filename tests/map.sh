#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Are the pages true? Every command in a ```console block of PAGES is run in the tree's root
# and must print, on either stream, the lines that stand below it (UPDATE=1 writes there what
# it printed); a line that ends with a backslash goes on in the next. Every path that a page
# links to exists, and the map names every folder. One test a command, link and folder.
#
#   tests/map.sh [PAGE...]      these pages' commands only
set -u
pages=(compiler/README.md compiler/cuda/README.md CONTRIBUTING.md)
linking=(README.md CHANGELOG.md tests/bench/README.md tests/parity/README.md models/RESULTS.md
         models/CLAIMS.md)
map=compiler/README.md
mkdir -p build/tests
folder=$(mktemp -d "$PWD/build/tests/map-XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
export TDC_CACHE=$folder/cache TDC_CFLAGS=-O1 TDC_OFFLINE=1 NO_COLOR=1 LC_ALL=C
passed=0 failed=0

count() { # whether it holds, and what to say where it does not
  if [ "$1" -eq 0 ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    printf '%s\n' "$2"
  fi
}

# Runs $command, whose expectation is $expected, and appends what belongs there to $new.
run_command() {
  local got
  got=$(bash -c "$command" 2>&1 </dev/null)
  [ -n "$got" ] && printf '%s\n' "$got" >>"$new"
  if [ "${UPDATE-}" = 1 ]; then passed=$((passed + 1)); else
    [ "$got" = "${expected%$'\n'}" ]
    count $? "$page: $command
$(diff <(printf '%s' "$expected") <(printf '%s\n' "$got") | head -n 40)"
  fi
  command=
}

run_page() {
  local page=$1 new=$folder/page inside= command= expected= line
  : >"$new"
  while IFS= read -r line; do
    if [ -n "$inside" ] && [[ $line == '$ '* || $line == '```' ]]; then
      [ -n "$command" ] && run_command
      expected=
      if [ "$line" = '```' ]; then inside=; else command=${line#'$ '}; fi
      printf '%s\n' "$line" >>"$new"
    elif [ -n "$inside" ] && [ -z "$expected" ] && [[ $command == *\\ ]]; then
      command=${command%\\}$line
      printf '%s\n' "$line" >>"$new"
    elif [ -n "$inside" ]; then
      expected+=$line$'\n'
    else
      [ "$line" = '```console' ] && inside=yes
      printf '%s\n' "$line" >>"$new"
    fi
  done <"$page"
  if [ "${UPDATE-}" = 1 ] && ! cmp -s "$new" "$page"; then
    cp "$new" "$page"
    echo "$page: rewritten"
  fi
}

links() {
  local page=$1 path
  while read -r path; do
    test -e "$(dirname "$page")/${path%%#*}"
    count $? "$page: links to $path, which is not there"
  done < <(awk '/^```/ { code = !code } !code && !/^    / { gsub(/`[^`]*`/, ""); print }' "$page" |
    grep -o '](\([^)#][^)]*\))' | sed 's/^](//; s/)$//' | grep -v '://')
}

if [ $# -gt 0 ]; then pages=("$@") linking=(); fi
for page in "${pages[@]}"; do run_page "$page"; done
for page in "${pages[@]}" "${linking[@]}"; do links "$page"; done
for place in dsl/ $(ls -d compiler/*/ runtime/*/ tests/*/); do
  grep -qF "\`$place\`" "$map"
  count $? "$map: does not say what lies in $place"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
