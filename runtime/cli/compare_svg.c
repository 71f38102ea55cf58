/* SPDX-License-Identifier: MIT */
/* What the pictures of comparisons and sweeps are made of. See compare.h. */
#include <math.h>
#include <stdlib.h>

#include "runtime/cli/compare.h"

/* Each on white and on black. */
static const char *const colours[][2] = {
    {"#0b6bcb", "#5aaef5"}, {"#c2410c", "#fb8c55"}, {"#15803d", "#4ecb7c"}, {"#7e22ce", "#c08bf5"},
    {"#be123c", "#fb7a93"}, {"#0f766e", "#3fc7ba"}, {"#a16207", "#e0b23a"}, {"#475569", "#a9b6c9"}};
enum { COLOURS = sizeof colours / sizeof *colours };

void compare_style(StrBuf *out) {
  static const char *const own[2] = {"--ink: #16181d; --soft: #5b6270; --paper: #fbfaf7; --line: "
                                     "#dfdcd4",
                                     "--ink: #eceef2; --soft: #9aa3b2; --paper: #101217; --line: "
                                     "#2b303b"};
  for (int dark = 0; dark < 2; dark++) {
    sb_puts(out, dark ? "  @media (prefers-color-scheme: dark) { :root { " : "  :root { ");
    sb_puts(out, own[dark]);
    for (int i = 0; i < COLOURS; i++) sb_printf(out, "; --c%d: %s", i, colours[i][dark]);
    sb_puts(out, dark ? " } }\n" : " }\n");
  }
  sb_puts(out, "  text { fill: var(--ink); font-size: 13px }\n"
               "  .soft { fill: var(--soft); color: var(--soft) }\n"
               "  .axis { stroke: var(--line); fill: none }\n");
}

void compare_colour(StrBuf *out, int model) { sb_printf(out, "var(--c%d)", model % COLOURS); }

void compare_dashes(StrBuf *out, int model) {
  if (model / COLOURS % 2 == 1) sb_puts(out, " stroke-dasharray=\"5 3\"");
}

void compare_tenths(StrBuf *out, const char *before, double x) {
  long long tenths = llround(x * 10);
  sb_printf(out, "%s%s%lld.%d", before, tenths < 0 ? "-" : "", llabs(tenths) / 10,
            (int)(llabs(tenths) % 10));
}
