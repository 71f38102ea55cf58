#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Writes the examples of dsl/LANGUAGE.md and its chapters into a folder, a file each, as seeds: those
# of a body twice, once in the op of the frame and once in a loss, where gradients and kernels follow from them.
set -eu
folder=$1
rm -rf "$folder"
mkdir -p "$folder"
awk -v folder="$folder" '
  function write(text,   file) {
    file = sprintf("%s/%03d.td", folder, ++files)
    printf "%s", text > file
    close(file)
  }
  # the sums of all that the body names, as far as it names the indices
  function in_loss(body,   n, i, lines, s, name, at) {
    n = split(body, lines, "\n")
    s = "sum[b,l,d](x[b,l,d] + z[b,l,d]) + sum[d,f](w[d,f]) + sum[d](g[d])"
    for (i = 1; i <= n; i++) {
      if (lines[i] !~ /^ *[a-z0-9]+\[[^\]]*\] *[=~]/) continue
      name = lines[i]; sub(/^ */, "", name); at = name
      sub(/\[.*/, "", name)
      sub(/^[^[]*\[/, "", at); sub(/\].*/, "", at)
      gsub(/ in [^,]*/, "", at)
      s = s " + sum[" at "](" name "[" at "])"
    }
    return "param x[B,L,D], z[B,L,D], w[D,F], g[D] ~ normal()\n" \
           "loss main(ids: id<V>[B,L]) {\n  t[b] ~ uniform(T)\n" body "  minimize " s "\n}\n" \
           "train { loss main  sgd(lr = 0.1)  batch B  steps 3 }\n"
  }
  /^```td/ { kind = $0; text = ""; inside = 1; next }
  /^```/   {
    if (inside && kind ~ /body/) { write(frame "op body(x[B,L,D], z[B,L,D], w[D,F], g[D], ids: id<V>[B,L], t: id<T>[B]) -> done {\n  done = 0\n" text "}\n"); write(frame in_loss(text)) }
    else if (inside && kind ~ /decl/) write(frame text)
    else if (inside) write(text)
    if (inside && frame_next) { frame = text; frame_next = 0 }
    inside = 0
    next
  }
  inside   { text = text (kind ~ /body/ ? "  " : "") $0 "\n"; next }
  /^### The frame of the examples/ { frame_next = 1 }' dsl/LANGUAGE.md dsl/reference/*.md
