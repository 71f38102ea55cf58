#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Does the house stand as it was drawn? Two drawings, and the tree against them:
# which room (a folder, or a file that is a room of its own) stands on which, and
# which files call each other in a circle. One test an include and a circle.
set -u

# room: the rooms it stands on. It may include them, and those that they stand on.
rooms='
dsl:
compiler/program:
compiler/ir: dsl
compiler/eval: compiler/ir
compiler/grad: compiler/ir
compiler/unit.h: compiler/ir compiler/program
compiler/lower: compiler/eval compiler/grad compiler/unit.h
compiler/check: compiler/lower
compiler/backend.h: compiler/ir compiler/program
compiler/plan: compiler/backend.h
compiler/passes: compiler/plan
compiler/emit: compiler/plan
compiler/cpu: compiler/emit
compiler/cuda: compiler/emit
compiler: compiler/check compiler/passes compiler/cpu compiler/cuda
runtime/td.h:
runtime/version.h:
runtime/system: dsl runtime/td.h
runtime/device.h: compiler/program runtime/system
runtime/steps.h: compiler/program
runtime/prelude.h: dsl
runtime/units.h: compiler/program runtime/prelude.h runtime/system
runtime/cpu: runtime/device.h runtime/steps.h runtime/units.h runtime/version.h
runtime/cuda: runtime/cpu
runtime/session.h: runtime/device.h
runtime/data: compiler/unit.h runtime/session.h
runtime/text: runtime/data
runtime/project.h: runtime/data
runtime/store: runtime/project.h runtime/cpu
runtime: compiler/eval runtime/store runtime/cuda
runtime/train/sample.h: runtime/data
runtime/view: runtime/train/sample.h
runtime/train: runtime runtime/view runtime/text
runtime/td.c: runtime/train
runtime/cli: compiler/check compiler/passes compiler/backend.h runtime/train
'

# Files that call each other, in the folder named last: why.
circles='
compiler/lower/diffusion lower_bind lower_call lower_draw lower_expr lower_foreign lower_header lower_index lower_loop lower_name lower_param lower_prim lower_reduce lower_stmt lower_vjp settings: expressions hold calls, calls bodies, and a name may stand for tables or data that are lowered when first met
compiler/lower/lower_file lower_use: a file uses files
compiler/grad/grad grad_loop: the body of a loop is a region, and a region holds loops
'

edges() {
  grep -rnE '^#include "[^"]*/' --include='*.[chyl]' dsl compiler runtime |
    sed -E 's/^([^:]*):[0-9]+:#include "([^"]*)".*/edge \1 \2/'
}

# from the objects of the program: the file that asks for a global symbol, and the one that has it
calls() {
  for object in $(find build/gen build/dsl build/compiler build/runtime -name '*.o'); do
    source=${object%.o}.c # objects outlive a file that was moved
    [ -e "$source" ] || [ -e "${source#build/}" ] && echo "$object"
  done | xargs nm -A | awk '
    { file = $1; sub(/:.*/, "", file); sub(/^build\//, "", file); sub(/\.o$/, "", file)
      name = $NF; kind = $(NF - 1) }
    kind ~ /^[TDBR]$/ { home[name] = file }
    kind == "U"       { n++; from[n] = file; wants[n] = name }
    END { for (i = 1; i <= n; i++)
            if (wants[i] in home && home[wants[i]] != from[i]) print "call", from[i], home[wants[i]] }' | sort -u
}

includes=$({
  sed -n 's/^\(.*\): *\(.*\)$/room \1 \2/p' <<<"$rooms"
  edges
} | awk '
  function room(path,   best, r) {
    for (r in on) if ((path == r || index(path, r "/") == 1) && length(r) > length(best)) best = r
    return best
  }
  function stands(a, b,   n, i, below) { # a on b, directly or not
    n = split(on[a], below, " ")
    for (i = 1; i <= n; i++) if (below[i] == b || stands(below[i], b)) return 1
    return 0
  }
  $1 == "room" { on[$2] = ""; for (i = 3; i <= NF; i++) on[$2] = on[$2] " " $i }
  $1 == "edge" {
    a = room($2); b = room($3)
    if (b != "" && (a == b || stands(a, b))) passed++
    else { failed++; print $2 " includes " $3 ": " (b == "" ? "no room" : a " does not stand on " b) }
  }
  END { print passed + 0, failed + 0 }')

found=$({
  sed -n 's/^\([^ ]*\/\)\([^:]*\): .*$/circle \1 \2/p' <<<"$circles"
  calls
} | awk '
  function mark(f,   n, i, to) { # everything that f calls, directly or not
    if ((root, f) in reach) return
    reach[root, f] = 1
    n = split(out[f], to, " ")
    for (i = 1; i <= n; i++) mark(to[i])
  }
  $1 == "circle" { circles++; for (i = 3; i <= NF; i++) { drawn[$2 $i] = circles; named[circles] = $2 "..." } }
  $1 == "call"   { out[$2] = out[$2] " " $3; file[$2] = file[$3] = 1 }
  END {
    for (f in file) { root = f; mark(f) }
    for (f in file) for (g in file) {
      if (f == g || !((f, g) in reach) || !((g, f) in reach)) continue
      both[f] = both[f] " " g
      if (!(f in drawn) || drawn[f] != drawn[g]) wrong[f] = 1
      else met[drawn[f]] = 1
    }
    for (f in wrong) {
      first = 1
      n = split(both[f], others, " ")
      for (i = 1; i <= n; i++) if (others[i] < f && others[i] in wrong) first = 0
      if (first) { failed++; print "a circle of " n + 1 " files, not as the table has it: " f both[f] }
    }
    for (i = 1; i <= circles; i++)
      if (i in met) passed++
      else { failed++; print named[i] ": no circle any more; the table says there is one" }
    for (f in file) passed += !(f in both)
    print passed + 0, failed + 0
  }')

printf '%s\n%s\n' "$includes" "$found" | sed '/^[0-9]* [0-9]*$/d' | sort
read -r p1 f1 <<<"${includes##*$'\n'}"
read -r p2 f2 <<<"${found##*$'\n'}"
echo "$((p1 + p2)) passed, $((f1 + f2)) failed"
[ $((f1 + f2)) -eq 0 ]
