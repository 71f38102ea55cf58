#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Are the pages true? Every command in a ```console block of PAGES is run in the tree's root
# and must print, on either stream, the lines that stand below it (UPDATE=1 writes there what
# it printed); a line that ends with a backslash goes on in the next. Of every page of the tree: a
# link leads to a file that exists, a link with an anchor to one of its headings, and all pages but
# README.md are linked to by another. The map names every folder. One test a command, link, page
# and folder.
#
#   tests/map.sh [PAGE...]      these pages' commands and links only
set -u
pages=(README.md CONTRIBUTING.md compiler/README.md compiler/cuda/README.md)
mapfile -t linking < <(find . -path ./build -prune -o -name '*.md' -printf '%P\n' | sort)
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

# The anchors of a page: its headings in lower case, without signs, hyphens for spaces; one that comes
# again has a number.
anchors() {
  awk '/^```/ { code = !code }
    !code && /^#+ / {
      sub(/^#+ +/, ""); $0 = tolower($0)
      gsub(/\]\([^)]*\)/, ""); gsub(/[^a-z0-9 _-]/, ""); gsub(/ /, "-")
      print $0 (seen[$0]++ ? "-" seen[$0] - 1 : "")
    }' "$1"
}

links() {
  local page=$1 path file anchor
  while read -r path; do
    file=$page anchor=
    [[ $path == \#* ]] || file=$(dirname "$page")/${path%%#*}
    [[ $path == *\#* ]] && anchor=${path#*#}
    test -e "$file"
    count $? "$page: links to $path, which is not there"
    if [ -n "$anchor" ]; then
      anchors "$file" 2>/dev/null | grep -qxF -e "$anchor"
      count $? "$page: links to $path, of which there is no such heading"
    fi
    [ "$file" = "$page" ] || realpath --relative-to=. "$file" >>"$folder/linked"
  done < <(awk '/^```/ { code = !code } !code && !/^    / { gsub(/`[^`]*`/, ""); print }' "$page" |
    grep -o '](\([^)]*\))' | sed 's/^](//; s/)$//' | grep -v '://')
}

if [ $# -gt 0 ]; then pages=("$@") linking=("$@"); fi
for page in "${pages[@]}"; do run_page "$page"; done
for page in "${linking[@]}"; do links "$page"; done
for page in "${linking[@]}"; do
  [ $# -gt 0 ] || [ "$page" = README.md ] && continue
  grep -qxF "$page" "$folder/linked"
  count $? "$page: no page links to it"
done
for place in dsl/ $(ls -d compiler/*/ runtime/*/ tests/*/); do
  grep -qF "\`$place\`" "$map"
  count $? "$map: does not say what lies in $place"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
