#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# `make install` into an empty folder, then what a user of it does: the program
# runs, and the example in the comment of td.h compiles and links with what
# pkg-config says, as C and as C++, and samples.
set -u
root=$PWD passed=0 failed=0 skipped=0
mkdir -p build/tests
folder=$(mktemp -d "$root/build/tests/install-XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
export TDC_CACHE=$folder/cache TDC_CFLAGS=-O1 TDC_OFFLINE=1

check() { # NAME COMMAND...
  local name=$1
  shift
  if "$@" >"$folder/log" 2>&1; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAIL $name: $*"
    tail -n 20 "$folder/log"
  fi
}
skip() { skipped=$((skipped + 1)); echo "SKIP $1"; }

check install make --no-print-directory install WERROR=-Werror DESTDIR="$folder/staged" PREFIX=/opt/tdc
cp -r "$folder/staged/opt/tdc" "$folder/moved" # nothing in it knows where it was installed
at=$folder/moved
check version "$at/bin/tdc" --version
for file in include/td.h lib/libtdc.a lib/pkgconfig/tdc.pc share/man/man1/tdc.1 \
  share/bash-completion/completions/tdc share/zsh/site-functions/_tdc \
  share/fish/vendor_completions.d/tdc.fish; do
  check "$file" test -s "$at/$file"
done
# each completion is read by its own shell
check "bash completion" bash -n "$at/share/bash-completion/completions/tdc"
for shell in "zsh site-functions/_tdc" "fish fish/vendor_completions.d/tdc.fish"; do
  read -r name file <<<"$shell"
  [ "$name" = zsh ] && file=zsh/$file
  if command -v "$name" >/dev/null; then check "$name completion" "$name" -n "$at/share/$file"
  else skip "$name is not installed"; fi
done

# programs that link with the library see the header's names and no others
names=$(sed -n 's/.*\<\(td_[a-z_]*\)(.*/\1/p' "$at/include/td.h" | sort -u)
check "exported names" test "$(nm -g --defined-only "$at/lib/libtdc.a" | awk 'NF == 3 { print $3 }' | sort)" = "$names"

cd "$folder" || exit 1
cat >model.td <<'TD'
data text { source "./text.txt"  tokens chars  split 0.5 }
dim B = 1, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { param e[V,V] ~ normal(0, 1); y[b,l,v] = e[x[b,l],v] }
loss main(x: id<V>[B,L]) { minimize mean[b,l,v](net(x)[b,l,v]^2) }
sampler flat(steps = 2, temperature = 1.0) {
  state x[B,L,V] ~ normal()
  for t in 1 .. 0 steps steps { x[b,l,v] = temperature * x[b,l,v] }
  emit argmax[v](x[b,l,v])
}
train { loss main  adam(lr = 0.01)  batch B  steps 1 }
TD
printf 'abcabcabcabcabcabcabcabcabcabc%.0s' 1 2 3 >text.txt
check train "$at/bin/tdc" train model.td -q -o run

# the lines of the header's example, with the paths of this folder
{
  printf '#include <td.h>\n#include <stdio.h>\n#include <stdlib.h>\n'
  printf 'static int fail(const char *what) { fprintf(stderr, "%%s\\n", what); return 1; }\n'
  printf 'int main(void) {\n'
  sed -n '/^ \*   TdError err/,/^ \*   td_close/s/^ \*//p' "$at/include/td.h" |
    sed -e 's,models/shakespeare.td,model.td,' -e 's,runs/shakespeare,run,'
  printf '  return text != NULL ? 0 : fail(err.message);\n}\n'
} >example.c
cp example.c example.cc
if ! command -v pkg-config >/dev/null; then skip "pkg-config is not installed"; else
  export PKG_CONFIG_PATH=$at/lib/pkgconfig
  read -r -a words <<<"$(pkg-config --cflags --libs tdc)"
  check "the example" cc -std=c11 -Wall -Wextra -Wpedantic -Werror -o example example.c "${words[@]}"
  check "the example runs" ./example
  if ! command -v c++ >/dev/null; then skip "no C++ compiler"; else
    check "the example in C++" c++ -Wall -Wextra -fsyntax-only -I"$at/include" example.cc
  fi
fi
cd "$root" || exit 1
make --no-print-directory uninstall DESTDIR="$folder/staged" PREFIX=/opt/tdc >/dev/null
check uninstall test -z "$(find "$folder/staged" -type f)"

if [ "$skipped" -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"
else echo "$passed passed, $failed failed"; fi
[ "$failed" -eq 0 ]
