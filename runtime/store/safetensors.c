/* SPDX-License-Identifier: MIT */
/* Reading and writing safetensors files. See safetensors.h; the rules that the reader
 * enforces stand in header.h. */
#include "runtime/store/safetensors.h"
#include "runtime/store/header.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/system/digest.h"
#include "runtime/system/json.h"
#include "runtime/system/utf8.h"

struct StFile {
  char *path;
  const IoHook *hook;
  int fd; /* -1: memory */
  const uint8_t *memory;
  uint8_t *header; /* length field and JSON */
  size_t header_size;
  uint64_t data_size;
  StHeader parsed;
};

static bool bad(TdError *err, const StFile *f, const char *what, const char *name) {
  return td_fail(err, TD_DAMAGED, "%s is not a valid safetensors file: %s%s%.200s%s", f->path, what,
                 name != NULL ? " ('" : "", name != NULL ? name : "", name != NULL ? "')" : "");
}

/* ---- reading ------------------------------------------------------------- */

static bool st_parse_header(StFile *f, TdError *err) {
  StFault why;
  if (st_header_parse(&f->parsed, (const char *)f->header + 8, f->header_size - 8, f->data_size,
                      &why))
    return true;
  return why.what == NULL ? td_fail_memory(err) : bad(err, f, why.what, why.name);
}

static bool st_read_bytes(StFile *f, uint64_t offset, void *to, size_t n, TdError *err) {
  if (f->memory != NULL) {
    if (n > 0) memcpy(to, f->memory + offset, n);
    return true;
  }
  return io_read_at(f->hook, f->fd, f->path, offset, to, n, err);
}

static bool st_load(StFile *f, uint64_t size, TdError *err) {
  uint8_t raw[8];
  if (size < 10) return bad(err, f, "it is too short", NULL);
  if (!st_read_bytes(f, 0, raw, sizeof raw, err)) return false;
  uint64_t n = 0;
  for (int i = 0; i < 8; i++) n |= (uint64_t)raw[i] << (8 * i);
  if (n > size - 8) return bad(err, f, "the header is longer than the file", NULL);
  if (n > ST_MAX_HEADER) return bad(err, f, "the header is too long", NULL);
  if (n < 2) return bad(err, f, "the header is empty", NULL);
  f->header_size = (size_t)n + 8;
  f->data_size = size - f->header_size;
  f->header = malloc(f->header_size);
  if (f->header == NULL) return td_fail_memory(err);
  return st_read_bytes(f, 0, f->header, f->header_size, err) && st_parse_header(f, err);
}

static StFile *st_new(const char *path, TdError *err) {
  StFile *f = calloc(1, sizeof *f);
  if (f != NULL) {
    f->fd = -1;
    f->path = strdup(path);
    if (f->path != NULL) return f;
    free(f);
  }
  td_fail_memory(err);
  return NULL;
}

StFile *st_open(const IoHook *hook, const char *path, TdError *err) {
  StFile *f = st_new(path, err);
  if (f == NULL) return NULL;
  uint64_t size;
  f->hook = hook;
  f->fd = io_open_regular(hook, path, &size, err);
  if (f->fd >= 0 && st_load(f, size, err)) return f;
  st_close(f);
  return NULL;
}

StFile *st_open_memory(const char *path, const void *bytes, size_t n, TdError *err) {
  StFile *f = st_new(path, err);
  if (f == NULL) return NULL;
  f->memory = bytes;
  if (st_load(f, n, err)) return f;
  st_close(f);
  return NULL;
}

void st_close(StFile *f) {
  if (f == NULL) return;
  if (f->fd >= 0) close(f->fd);
  st_header_free(&f->parsed);
  free(f->header);
  free(f->path);
  free(f);
}

int st_count(const StFile *f) { return f->parsed.count; }
const StTensor *st_at(const StFile *f, int i) { return &f->parsed.tensors[i]; }
int st_meta_count(const StFile *f) { return f->parsed.meta_count; }
StPair st_meta_at(const StFile *f, int i) { return f->parsed.meta[i]; }

static int compare_name(const void *name, const void *t) {
  return strcmp(name, (*(const StTensor *const *)t)->name);
}

const StTensor *st_find(const StFile *f, const char *name) {
  const StHeader *h = &f->parsed;
  const StTensor **t =
      bsearch(name, h->by_name, (size_t)h->count, sizeof *h->by_name, compare_name);
  return t != NULL ? *t : NULL;
}

static int compare_key(const void *key, const void *pair) {
  return strcmp(key, ((const StPair *)pair)->key);
}

const char *st_meta(const StFile *f, const char *key) {
  const StHeader *h = &f->parsed;
  if (h->meta_count == 0) return NULL;
  const StPair *p = bsearch(key, h->meta, (size_t)h->meta_count, sizeof *h->meta, compare_key);
  return p != NULL ? p->value : NULL;
}

const uint8_t *st_header(const StFile *f, size_t *n) {
  *n = f->header_size;
  return f->header;
}

bool st_read(StFile *f, const StTensor *t, void *to, TdError *err) {
  return st_read_bytes(f, f->header_size + t->begin, to, (size_t)(t->end - t->begin), err);
}

bool st_read_some(StFile *f, const StTensor *t, int64_t first, int64_t count, void *to,
                  TdError *err) {
  size_t size = st_type_size(t->type);
  if (first < 0 || count < 0 || first > t->count || count > t->count - first)
    bug("tensor %s is read past its end", t->name);
  return st_read_bytes(f, f->header_size + t->begin + (uint64_t)first * size, to,
                       (size_t)count * size, err);
}

bool st_digest(StFile *f, const StTensor *t, char out[65], TdError *err) {
  enum { PIECE = 1 << 16 };
  uint8_t *piece = malloc(PIECE);
  Digest *d = digest_new();
  bool ok = piece != NULL && d != NULL;
  if (!ok) td_fail_memory(err);
  for (uint64_t at = t->begin; ok && at < t->end;) {
    size_t n = t->end - at < PIECE ? (size_t)(t->end - at) : PIECE;
    ok = st_read_bytes(f, f->header_size + at, piece, n, err);
    if (ok) digest_add(d, piece, n);
    at += n;
  }
  free(piece);
  if (!ok) {
    digest_free(d);
    return false;
  }
  return digest_end_hex(d, out) || td_fail(err, TD_IO_FAILED, "libcrypto cannot compute SHA-256");
}

/* ---- writing ------------------------------------------------------------- */

static int64_t st_source_count(const StSource *t) {
  int64_t n = 1;
  for (int i = 0; i < t->rank; i++)
    if (t->shape[i] < 0 || !mul_fits(n, t->shape[i], &n)) bug("tensor %s has no size", t->name);
  return n;
}

static json_t *st_describe(const StSource *t, int64_t begin, int64_t end) {
  json_t *shape = json_array();
  for (int i = 0; i < t->rank; i++) shape = json_and(shape, json_integer(t->shape[i]));
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", st_type_name(t->type), "shape", shape,
                   "data_offsets", (json_int_t)begin, (json_int_t)end);
}

/* One entry of an object: what is wrong with its name is told apart from memory that is out. */
static bool st_put(json_t *object, const char *what, const char *name, json_t *value,
                   TdError *err) {
  const char *wrong = json_object_get(object, name) != NULL ? "is given twice"
                      : !utf8_valid(name, strlen(name))     ? "is not UTF-8"
                                                            : NULL;
  if (wrong != NULL) {
    json_decref(value);
    return td_fail(err, TD_IO_FAILED, "%s '%.100s' %s", what, name, wrong);
  }
  return (value != NULL && json_object_set_new(object, name, value) == 0) || td_fail_memory(err);
}

static bool st_put_meta(json_t *root, const StPair *meta, int nmeta, TdError *err) {
  json_t *m = json_object();
  bool ok = m != NULL || td_fail_memory(err);
  for (int i = 0; ok && i < nmeta; i++)
    if (utf8_valid(meta[i].value, strlen(meta[i].value)))
      ok = st_put(m, "metadata", meta[i].key, json_string(meta[i].value), err);
    else
      ok = td_fail(err, TD_IO_FAILED, "the text of metadata '%.100s' is not UTF-8", meta[i].key);
  if (ok && nmeta > 0) return st_put(root, "metadata", "__metadata__", m, err);
  json_decref(m);
  return ok;
}

static json_t *st_header_json(const StSource *tensors, int n, const StPair *meta, int nmeta,
                              TdError *err) {
  json_t *root = json_object();
  bool ok = (root != NULL || td_fail_memory(err)) && st_put_meta(root, meta, nmeta, err);
  int64_t at = 0;
  for (int i = 0; ok && i < n; i++) {
    int64_t bytes;
    if (!mul_fits(st_source_count(&tensors[i]), (int64_t)st_type_size(tensors[i].type), &bytes))
      bytes = INT64_MAX;
    int64_t end = bytes > INT64_MAX - at ? INT64_MAX : at + bytes;
    ok = st_put(root, "tensor", tensors[i].name, st_describe(&tensors[i], at, end), err);
    at = end;
  }
  if (ok) return root;
  json_decref(root);
  return NULL;
}

uint8_t *st_make_header(const StSource *tensors, int n, const StPair *meta, int nmeta, size_t *size,
                        TdError *err) {
  json_t *root = st_header_json(tensors, n, meta, nmeta, err);
  if (root == NULL) return NULL;
  char *text = json_write(root, JSON_COMPACT);
  size_t length = text != NULL ? strlen(text) : 0, padded = (length + 8 + 63) / 64 * 64;
  uint8_t *header = text != NULL ? malloc(padded) : NULL;
  if (header == NULL) {
    free(text);
    td_fail_memory(err);
    return NULL;
  }
  for (int i = 0; i < 8; i++) header[i] = (uint8_t)((uint64_t)(padded - 8) >> (8 * i));
  memcpy(header + 8, text, length);
  memset(header + 8 + length, ' ', padded - 8 - length);
  free(text);
  *size = padded;
  return header;
}

/* Elements i .. i + some - 1: where they lie, or brought into `room`. */
static const uint8_t *st_some(const StSource *t, size_t i, size_t some, uint8_t *room,
                              TdError *err) {
  const StRemote *r = t->remote;
  if (t->data != NULL) return (const uint8_t *)t->data + i * st_type_size(t->from);
  return r->read(r->owner, t->part, t->first + (int64_t)i, (int64_t)some, room, err) ? room : NULL;
}

/* Hands the tensor's bytes, converted, to `take` in pieces. */
static bool st_each_piece(const StSource *t,
                          bool (*take)(void *ctx, const void *p, size_t n, TdError *err), void *ctx,
                          TdError *err) {
  size_t n = (size_t)st_source_count(t), in = st_type_size(t->from), out = st_type_size(t->type);
  bool converted = t->type != t->from;
  if (t->data != NULL && !converted) return take(ctx, t->data, n * out, err);
  size_t most = ST_PIECE / (in > out ? in : out);
  if (n < most) most = n;
  uint8_t *room = malloc(most * in + 1), *piece = malloc(most * out + 1);
  bool ok = (room != NULL && piece != NULL) || td_fail_memory(err);
  for (size_t i = 0; ok && i < n; i += most) {
    size_t some = n - i < most ? n - i : most;
    const uint8_t *from = st_some(t, i, some, room, err);
    if (from != NULL && converted && !st_convert(t->type, piece, t->from, from, some))
      bug("tensor %s: %s cannot become %s", t->name, st_type_name(t->from), st_type_name(t->type));
    ok = from != NULL && take(ctx, converted ? piece : from, some * out, err);
  }
  free(room);
  free(piece);
  return ok;
}

static bool take_write(void *ctx, const void *p, size_t n, TdError *err) {
  return io_write(ctx, p, n, err);
}

static bool take_digest(void *ctx, const void *p, size_t n, TdError *err) {
  (void)err;
  digest_add(ctx, p, n);
  return true;
}

bool st_write_data(IoFile *f, const StSource *t, TdError *err) {
  return st_each_piece(t, take_write, f, err);
}

bool st_source_digest(const StSource *t, char out[65], TdError *err) {
  Digest *d = digest_new();
  if (d == NULL) return td_fail_memory(err);
  if (!st_each_piece(t, take_digest, d, err)) {
    digest_free(d);
    return false;
  }
  return digest_end_hex(d, out) || td_fail(err, TD_IO_FAILED, "libcrypto cannot compute SHA-256");
}

bool st_write_file(const IoHook *hook, const char *path, const StSource *tensors, int n,
                   const StPair *meta, int nmeta, TdError *err) {
  size_t size;
  uint8_t *header = st_make_header(tensors, n, meta, nmeta, &size, err);
  if (header == NULL) return false;
  IoFile *f = io_create(hook, path, 0666, err);
  bool ok = f != NULL && io_write(f, header, size, err);
  for (int i = 0; ok && i < n; i++) ok = st_write_data(f, &tensors[i], err);
  free(header);
  if (ok) return io_commit(f, err);
  io_abandon(f);
  return false;
}
