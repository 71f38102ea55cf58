/* SPDX-License-Identifier: MIT */
/* Damaged safetensors files: each rule of the format broken alone and with another, and bytes of
 * the header edited. A file is read, or is refused as damaged with a word why; memory stays
 * within a multiple of its size; what is read can be written, and reads the same. The reader of
 * checkpoints gets each too, with the header's checksum made right. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/vocabulary.h"
#include "runtime/store/checkpoint.h"
#include "runtime/system/digest.h"
#include "tests/fuzz/fuzz.h"

/* ---- reading ------------------------------------------------------------------ */

/* What the JSON tree of a header takes is at most so much for each of its bytes, and the least. */
enum { PER_BYTE = 100, AT_LEAST = 1 << 20 };

static StSource source_of(const StTensor *t, const void *data) {
  StSource s = {.name = t->name, .type = t->type, .from = t->type, .rank = t->rank, .data = data};
  memcpy(s.shape, t->shape, sizeof s.shape);
  return s;
}

static bool same(StFile *a, StFile *b) {
  if (st_count(a) != st_count(b) || st_meta_count(a) != st_meta_count(b)) return false;
  for (int i = 0; i < st_count(a); i++) {
    const StTensor *x = st_at(a, i), *y = st_find(b, x->name);
    char one[65], two[65];
    TdError err = {0};
    if (!y || x->type != y->type || x->rank != y->rank || x->count != y->count ||
        x->end - x->begin != y->end - y->begin || !st_digest(a, x, one, &err) ||
        !st_digest(b, y, two, &err) || strcmp(one, two))
      return false;
  }
  for (int i = 0; i < st_meta_count(a); i++)
    if (strcmp(st_meta_at(a, i).value, st_meta(b, st_meta_at(a, i).key))) return false;
  return true;
}

/* Written anew from what was read: the same tensors and metadata. */
static Verdict writes_back(StFile *f, const char *data) {
  int n = st_count(f), nmeta = st_meta_count(f);
  StSource *sources = calloc((size_t)n + 1, sizeof *sources);
  StPair *meta = calloc((size_t)nmeta + 1, sizeof *meta);
  StrBuf file = {0};
  TdError err = {0};
  size_t size;
  if (!sources || !meta) return fuzz_broken("no memory", NULL);
  for (int i = 0; i < n; i++) sources[i] = source_of(st_at(f, i), data + st_at(f, i)->begin);
  for (int i = 0; i < nmeta; i++) meta[i] = st_meta_at(f, i);
  uint8_t *header = st_make_header(sources, n, meta, nmeta, &size, &err);
  Verdict verdict = header ? ACCEPTED : fuzz_broken("what was read is not written", err.message);
  if (header) {
    sb_write(&file, (const char *)header, size);
    for (int i = 0; i < n; i++)
      sb_write(&file, data + st_at(f, i)->begin, (size_t)(st_at(f, i)->end - st_at(f, i)->begin));
    StFile *again = st_open_memory("again", file.s, file.n, &err);
    if (!again) verdict = fuzz_broken("what was written is not read", err.message);
    if (again && !same(f, again)) verdict = fuzz_broken("written anew it differs", NULL);
    st_close(again);
  }
  free(header);
  free(sources);
  free(meta);
  sb_free(&file);
  return verdict;
}

static Verdict refused(const TdError *err) {
  if (err->status == TD_DAMAGED && err->message[0]) return REJECTED;
  return fuzz_broken("refused, but not as damaged", err->message);
}

/* ---- as a checkpoint -------------------------------------------------------------- */

static const char seal[] = "\"tdc.header\":\"";
enum { DIGITS = 64 };

/* Where the digits of the header's checksum stand; 0: nowhere. */
static size_t digits_at(const char *text, size_t n, size_t header) {
  size_t m = sizeof seal - 1;
  for (size_t i = 8; i + m + DIGITS <= header && header <= n; i++)
    if (!memcmp(text + i, seal, m)) return i + m;
  return 0;
}

static Verdict as_checkpoint(const char *text, size_t n, size_t header) {
  char path[64], hex[DIGEST_HEX];
  StrBuf file = {0};
  TdError err = {0};
  sb_write(&file, text, n);
  size_t at = digits_at(text, n, header);
  if (at) {
    memset(file.s + at, '0', DIGITS);
    if (!digest_of(file.s, header, hex)) return fuzz_broken("no digest", NULL);
    memcpy(file.s + at, hex, DIGITS);
  }
  snprintf(path, sizeof path, "build/fuzz/%d.safetensors", (int)getpid());
  bool ok = io_write_file(NULL, path, file.s, file.n, &err);
  sb_free(&file);
  if (!ok) return fuzz_broken("the file cannot be written", err.message);
  Checkpoint *c = checkpoint_open_weights(NULL, path, &err);
  Verdict verdict = c ? ACCEPTED : refused(&err);
  const CheckpointInfo *info = c ? checkpoint_info(c) : NULL;
  if (info && info->tokens && info->vocabulary) {
    Vocabulary v = {0};
    if (vocabulary_parse(&v, info->tokens, info->vocabulary)) vocabulary_free(&v);
  }
  checkpoint_close(c);
  unlink(path);
  return verdict;
}

static Verdict run(const char *text, size_t n, bool whole) {
  (void)whole;
  TdError err = {0};
  uint64_t header = 0;
  for (size_t i = 0; i < 8 && i < n; i++) header |= (uint64_t)(unsigned char)text[i] << (8 * i);
  StFile *f = st_open_memory("fuzz", text, n, &err);
  if (fuzz_peak() > AT_LEAST + PER_BYTE * n) return fuzz_broken("more memory than its size", NULL);
  Verdict verdict = f ? writes_back(f, text + 8 + header) : refused(&err);
  st_close(f);
  if (verdict == BROKEN) return BROKEN;
  size_t end = n >= 8 && header <= n - 8 ? (size_t)header + 8 : n;
  return as_checkpoint(text, n, end) == BROKEN ? BROKEN : verdict;
}

/* ---- making -------------------------------------------------------------------------- */

enum { TENSORS_MAX = 4, RULES = 40 };

static bool broken(const int rules[2], int rule) { return rules[0] == rule || rules[1] == rule; }

static const char *one_of(Random *r, const char *const *at, size_t n) { return at[below(r, n)]; }

/* One tensor's object; `rules` say what is wrong with it. */
static void put_tensor(Random *r, const int rules[2], int i, uint64_t *at, StrBuf *out) {
  static const char *const types[] = {"F64", "F32", "F16",  "BF16", "I64",
                                      "I32", "U8",  "BOOL", "I8"};
  static const int sizes[] = {8, 4, 2, 2, 8, 4, 1, 1, 1};
  static const char *const odd_types[] = {"\"F31\"", "4", "null", "\"\"", "\"f32\"", "[\"F32\"]"};
  static const char *const odd_sizes[] = {"-1",
                                          "1.0",
                                          "\"1\"",
                                          "4294967296,4294967296",
                                          "9223372036854775807",
                                          "18446744073709551616",
                                          "1e2",
                                          "null",
                                          "[1]",
                                          "1,1,1,1,1,1,1,1,1",
                                          "-0",
                                          "1e400"};
  static const char *const odd_offsets[] = {"0",
                                            "",
                                            "0,4,4",
                                            "-4,0",
                                            "4,0",
                                            "0,1e1",
                                            "\"0\",4",
                                            "0,9223372036854775807",
                                            "18446744073709551615,4",
                                            "null,null",
                                            "9223372036854775804,9223372036854775807"};
  size_t type = below(r, sizeof types / sizeof *types), rank = below(r, 4);
  uint64_t bytes = (uint64_t)sizes[type], begin = *at;
  sb_printf(out, "\"%s%d\":",
            broken(rules, 1)   ? "\\u0000"
            : broken(rules, 2) ? "\xff"
                               : "t",
            broken(rules, 3) ? 0 : i);
  if (broken(rules, 4)) {
    sb_puts(out, "1");
    return;
  }
  sb_printf(out, "{%s", broken(rules, 5) ? "" : "\"dtype\":");
  if (!broken(rules, 5)) {
    if (broken(rules, 6))
      sb_puts(out, one_of(r, odd_types, sizeof odd_types / sizeof *odd_types));
    else
      sb_printf(out, "\"%s\"", types[type]);
    sb_putc(out, ',');
  }
  if (!broken(rules, 7)) {
    sb_puts(out, broken(rules, 8) ? "\"shape\":1" : "\"shape\":[");
    for (size_t k = 0; k < rank && !broken(rules, 8); k++) {
      uint64_t extent = below(r, 4);
      bytes *= extent;
      sb_printf(out, "%s%" PRIu64, k ? "," : "", extent);
    }
    if (broken(rules, 9))
      sb_printf(out, "%s%s", rank ? "," : "",
                one_of(r, odd_sizes, sizeof odd_sizes / sizeof *odd_sizes));
    sb_puts(out, broken(rules, 8) ? "," : "],");
  }
  uint64_t end = begin + bytes + broken(rules, 10);
  if (broken(rules, 11)) begin++;
  if (broken(rules, 12) && begin) begin--;
  sb_puts(out, "\"data_offsets\":[");
  if (broken(rules, 13))
    sb_puts(out, one_of(r, odd_offsets, sizeof odd_offsets / sizeof *odd_offsets));
  else
    sb_printf(out, "%" PRIu64 ",%" PRIu64, begin, end);
  sb_puts(out, broken(rules, 14) ? "],\"x\":0}" : broken(rules, 15) ? "]" : "]}");
  *at = end;
}

static void put_metadata(Random *r, const int rules[2], StrBuf *out) {
  static const char *const odd[] = {"1",
                                    "[]",
                                    "null",
                                    "{\"a\":1}",
                                    "{\"a\":{}}",
                                    "{\"\":\"\"}",
                                    "{\"a\":\"\\ud800\"}",
                                    "{\"a\":\"b\",\"a\":\"c\"}"};
  sb_puts(out, "\"__metadata__\":");
  if (broken(rules, 16)) {
    sb_puts(out, one_of(r, odd, sizeof odd / sizeof *odd));
    return;
  }
  static const char *const numbers[] = {"0", "1", "-1", "9223372036854775807", "1e9", "", "inf"};
  enum { N = sizeof numbers / sizeof *numbers };
  sb_printf(out,
            "{%s0000000000000000000000000000000000000000000000000000000000000000\","
            "\"format\":\"tdc weights 1\"",
            broken(rules, 17) ? "\"a\":\"" : seal);
  static const char *const keys[] = {"step", "seed", "position", "best", "best_step", "stale"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (!broken(rules, 18) || below(r, 4))
      sb_printf(out, ",\"%s\":\"%s\"", keys[i], broken(rules, 19) ? numbers[below(r, N)] : "3");
  static const char *const symbols[] = {"10 32 97", "97 32", "-1",
                                        "1114112",  "",      "99999999999999999"};
  sb_printf(out, ",\"tokens\":\"%s\",\"vocabulary\":\"%s\"}", below(r, 4) ? "chars" : "bytes",
            symbols[below(r, sizeof symbols / sizeof *symbols)]);
}

/* A byte or a few changed, left out, or twice. */
static void edit(Random *r, StrBuf *b) {
  if (!b->n) return;
  size_t at = below(r, b->n), n = 1 + below(r, 8);
  if (at + n > b->n) n = b->n - at;
  static const char signs[] = "{}[],:\"\\0123456789eE.-+ \t\n";
  switch (below(r, 5)) {
  case 0: b->s[at] = (char)random_next(r); break;
  case 1: b->s[at] = signs[below(r, sizeof signs - 1)]; break;
  case 2: text_splice(b, at, at + n, "", 0); break;
  case 3: {
    char copy[8];
    memcpy(copy, b->s + at, n);
    text_splice(b, at, at, copy, n);
    break;
  }
  default: { /* deep or long */
    StrBuf many = {0};
    char c = signs[below(r, sizeof signs - 1)];
    for (size_t k = below(r, 4) ? 20 : 5000; k > 0; k--) sb_putc(&many, c);
    text_splice(b, at, at, many.s, many.n);
    sb_free(&many);
  }
  }
}

static void make(Random *r, const Seeds *seeds, StrBuf *out) {
  (void)seeds;
  /* rule 0 and those above the last are kept */
  const int rules[2] = {(int)below(r, RULES), (int)below(r, RULES)};
  StrBuf header = {0};
  uint64_t data = 0;
  int n = (int)below(r, TENSORS_MAX + 1);
  sb_puts(&header, broken(rules, 20) ? " {" : broken(rules, 21) ? "[" : "{");
  bool meta = below(r, 2) || broken(rules, 16);
  if (meta) put_metadata(r, rules, &header);
  for (int i = 0; i < n; i++) {
    if (i || meta) sb_putc(&header, ',');
    put_tensor(r, rules, i, &data, &header);
  }
  sb_puts(&header, broken(rules, 22) ? "}x" : broken(rules, 23) ? "," : "}");
  if (broken(rules, 24)) sb_write(&header, "\0", 1);
  for (size_t k = below(r, 8); k > 0; k--) sb_putc(&header, ' ');
  if (below(r, 2))
    for (size_t edits = 1 + below(r, 4); edits > 0; edits--) edit(r, &header);
  uint64_t length = header.n;
  static const uint64_t lengths[] = {0, 1, 2, INT64_MAX, UINT64_MAX, UINT64_MAX - 7, 64 << 20};
  if (broken(rules, 25)) length = lengths[below(r, sizeof lengths / sizeof *lengths)];
  if (broken(rules, 26)) length += below(r, 9) - 4;
  for (int i = 0; i < 8; i++) sb_putc(out, (char)(length >> (8 * i)));
  sb_write(out, header.s, header.n);
  if (broken(rules, 27)) data += 1 + below(r, 9);
  if (broken(rules, 28) && data) data -= 1;
  for (; data > 0; data--) sb_putc(out, (char)random_next(r));
  if (broken(rules, 29)) out->n = below(r, out->n + 1);
  sb_free(&header);
}

const Fuzzer fuzzer = {"safetensors", ".safetensors", make, run, false};
