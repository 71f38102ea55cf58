/* SPDX-License-Identifier: MIT */
/* Diagnostics for machines (one JSON array, written by hand so that the front
 * end depends on nothing) and the "did you mean" search. */
#include "dsl/diag_internal.h"

#include <string.h>

static void json_string(StrBuf *out, const char *s) {
  size_t n = strlen(s);
  sb_putc(out, '"');
  for (size_t i = 0; i < n;) {
    unsigned char c = (unsigned char)s[i];
    size_t step = utf8_length(s + i, n - i);
    if (!step)
      sb_puts(out, "\\ufffd");
    else if (c == '"' || c == '\\') {
      sb_putc(out, '\\');
      sb_putc(out, (char)c);
    } else if (c == '\n')
      sb_puts(out, "\\n");
    else if (c == '\t')
      sb_puts(out, "\\t");
    else if (c < 0x20 || c == 0x7F)
      sb_printf(out, "\\u%04x", c);
    else
      sb_write(out, s + i, step);
    i += step ? step : 1;
  }
  sb_putc(out, '"');
}

static void json_key(StrBuf *out, const char *key, bool first) {
  if (!first) sb_putc(out, ',');
  sb_printf(out, "\"%s\":", key);
}

/* file, line, column, end_line, end_column; all null without a place. */
static void json_span(const Diags *d, StrBuf *out, Span at, bool first) {
  json_key(out, "file", first);
  if (!at.line) {
    sb_puts(out, "null,\"line\":null,\"column\":null,\"end_line\":null,\"end_column\":null");
    return;
  }
  json_string(out, diags_source_at(d, at.file)->path);
  sb_printf(out, ",\"line\":%d,\"column\":%d,\"end_line\":%d,\"end_column\":%d", at.line, at.col,
            at.end_line, at.end_col);
}

static void json_labels(const Diags *d, StrBuf *out, const DiagLabel *labels, int n) {
  sb_putc(out, '[');
  for (int i = 0; i < n; i++) {
    sb_puts(out, i ? ",{" : "{");
    json_span(d, out, labels[i].span, true);
    json_key(out, "text", false);
    json_string(out, labels[i].text);
    sb_putc(out, '}');
  }
  sb_putc(out, ']');
}

void diags_print_json(const Diags *d, StrBuf *out) {
  const Diag **all = diags_sorted(d);
  sb_putc(out, '[');
  for (int i = 0; i < d->all.n; i++) {
    const Diag *x = all[i];
    sb_puts(out, i ? ",\n{" : "{");
    json_key(out, "code", true);
    sb_printf(out, "\"%c%04d\"", x->level == DIAG_ERROR ? 'E' : 'W', x->code);
    json_key(out, "level", false);
    json_string(out, diag_level_name(x->level));
    json_span(d, out, x->span, false);
    json_key(out, "message", false);
    json_string(out, x->message);
    json_key(out, "labels", false);
    json_labels(d, out, x->labels.at, x->labels.n);
    json_key(out, "notes", false);
    json_labels(d, out, x->notes.at, x->notes.n);
    json_key(out, "hint", false);
    if (x->hint)
      json_string(out, x->hint);
    else
      sb_puts(out, "null");
    sb_putc(out, '}');
  }
  sb_puts(out, "]\n");
}
