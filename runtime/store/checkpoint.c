/* SPDX-License-Identifier: MIT */
/* Checkpoints: saving, verifying, restoring. The run folder's housekeeping is
 * in rotate.c.
 *
 * Metadata keys: "tdc.header" is the SHA-256 of the length field and the whole
 * header with these 64 digits taken as zeros; "sha256 NAME" belongs to tensor
 * NAME; the rest are CheckpointInfo's fields. */
#include "runtime/store/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/digest.h"

struct Checkpoint {
  StFile *file;
  char *path;
  CheckpointInfo info;
};

static const char header_key[] = "tdc.header";
static const char our_format[] = "tdc "; /* what "format" begins with */
static const char header_lead[] = "\"tdc.header\":\"";
static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";

StType checkpoint_type(TdType t) {
  switch (t) {
  case TD_F32: return ST_F32;
  case TD_F64: return ST_F64;
  case TD_BF16: return ST_BF16;
  case TD_F16: return ST_F16;
  case TD_I32: return ST_I32;
  case TD_U8: return ST_U8;
  }
  bug("unknown storage type %d", (int)t);
}

/* ---- the tensors of a program ---------------------------------------------- */

static int64_t tensor_count(const TdTensor *t) {
  int64_t n = 1;
  for (int i = 0; i < t->rank; i++) n *= t->shape[i];
  return n;
}

/* Do the named pieces of state s hold every element of it? */
static bool pieces_cover(const TdProgram *p, int s) {
  int64_t sum = 0;
  for (int i = 0; i < p->ntensors; i++)
    if (p->tensors[i].state == s) sum += tensor_count(&p->tensors[i]);
  return sum == p->states[s].count && sum > 0;
}

CheckpointTensor *checkpoint_tensors(const TdProgram *p, const StRemote *states, const bool *wanted,
                                     int *n) {
  CheckpointTensor *list = calloc((size_t)p->ntensors + (size_t)p->nstates + 1, sizeof *list);
  *n = 0;
  if (list == NULL) return NULL;
  for (int s = 0; s < p->nstates; s++) {
    const TdState *state = &p->states[s];
    if (wanted != NULL && !wanted[s]) continue;
    if (!pieces_cover(p, s)) {
      CheckpointTensor *t = &list[(*n)++];
      *t = (CheckpointTensor){.name = state->name,
                              .type = state->type,
                              .rank = state->rank,
                              .states = states,
                              .state = s};
      memcpy(t->shape, state->shape, sizeof t->shape);
      continue;
    }
    for (int i = 0; i < p->ntensors; i++) {
      const TdTensor *piece = &p->tensors[i];
      if (piece->state != s) continue;
      CheckpointTensor *t = &list[(*n)++];
      *t = (CheckpointTensor){.name = piece->name,
                              .type = state->type,
                              .rank = piece->rank,
                              .states = states,
                              .state = s,
                              .first = piece->offset};
      memcpy(t->shape, piece->shape, sizeof t->shape);
    }
  }
  return list;
}

/* ---- metadata --------------------------------------------------------------- */

typedef struct Meta {
  StPair *pairs;
  int n;
  bool ok;
} Meta;

static void meta_add(Meta *m, const char *key, const char *value) {
  char *k = strdup(key), *v = strdup(value);
  if (k == NULL || v == NULL) m->ok = false;
  m->pairs[m->n++] = (StPair){k, v};
}

static void meta_add_int(Meta *m, const char *key, int64_t x) {
  char s[32];
  snprintf(s, sizeof s, "%" PRId64, x);
  meta_add(m, key, s);
}

static void meta_add_tensor(Meta *m, const char *name, const char *digest) {
  size_t n = strlen(name) + 8;
  char *key = malloc(n);
  if (key == NULL) {
    m->ok = false;
    return;
  }
  snprintf(key, n, "sha256 %s", name);
  meta_add(m, key, digest);
  free(key);
}

static void meta_free(Meta *m) {
  for (int i = 0; i < m->n; i++) {
    free((char *)m->pairs[i].key);
    free((char *)m->pairs[i].value);
  }
  free(m->pairs);
}

static void meta_fill(Meta *m, const CheckpointInfo *info) {
  char s[32];
  meta_add(m, header_key, zeros);
  meta_add(m, "format", info->weights_only ? "tdc weights 1" : "tdc checkpoint 1");
  meta_add(m, "program", info->program != NULL ? info->program : "");
  meta_add_int(m, "step", info->step);
  snprintf(s, sizeof s, "%" PRIu64, info->seed);
  meta_add(m, "seed", s);
  meta_add_int(m, "position", info->position);
  fmt_double(s, info->best);
  meta_add(m, "best", s);
  meta_add_int(m, "best_step", info->best_step);
  meta_add_int(m, "stale", info->stale);
  meta_add_int(m, "validated", info->validated);
  if (info->tokens != NULL) meta_add(m, "tokens", info->tokens);
  if (info->vocabulary != NULL) meta_add(m, "vocabulary", info->vocabulary);
  if (info->unigram != NULL) meta_add(m, "unigram", info->unigram);
  if (info->record != NULL) meta_add(m, "record", info->record);
}

/* ---- the header's own checksum ------------------------------------------------ */

static uint8_t *find_bytes(uint8_t *hay, size_t n, const char *needle) {
  size_t m = strlen(needle);
  for (size_t i = 0; i + m <= n; i++)
    if (hay[i] == (uint8_t)needle[0] && memcmp(hay + i, needle, m) == 0) return hay + i;
  return NULL;
}

/* The digest of a header whose 64 digits at `digits` count as zeros. */
static bool header_digest(const uint8_t *header, size_t n, const uint8_t *digits,
                          char out[DIGEST_HEX]) {
  Digest *d = digest_new();
  if (d == NULL) return false;
  size_t before = (size_t)(digits - header);
  digest_add(d, header, before);
  digest_add(d, zeros, 64);
  digest_add(d, digits + 64, n - before - 64);
  return digest_end_hex(d, out);
}

static bool header_seal(uint8_t *header, size_t n, TdError *err) {
  uint8_t *at = find_bytes(header, n, header_lead);
  if (at == NULL) bug("a checkpoint header without its checksum");
  char hex[DIGEST_HEX];
  at += sizeof header_lead - 1;
  if (!header_digest(header, n, at, hex))
    return td_fail(err, TD_IO_FAILED, "libcrypto cannot compute SHA-256");
  memcpy(at, hex, 64);
  return true;
}

static bool header_verify(const Checkpoint *c, TdError *err) {
  size_t n;
  uint8_t *header = (uint8_t *)st_header(c->file, &n);
  uint8_t *at = find_bytes(header, n, header_lead);
  char hex[DIGEST_HEX];
  if (at == NULL || n < (size_t)(at - header) + sizeof header_lead - 1 + 64)
    return td_fail(err, TD_DAMAGED, "%s was not written by tdc, or its header is damaged", c->path);
  at += sizeof header_lead - 1;
  if (!header_digest(header, n, at, hex))
    return td_fail(err, TD_IO_FAILED, "libcrypto cannot compute SHA-256");
  return memcmp(at, hex, 64) == 0 ||
         td_fail(err, TD_DAMAGED, "%s is damaged: the header's checksum differs", c->path);
}

/* ---- saving -------------------------------------------------------------------- */

static bool save_sources(const IoHook *hook, const char *path, const StSource *tensors, int n,
                         const Meta *m, TdError *err) {
  size_t size;
  uint8_t *header = st_make_header(tensors, n, m->pairs, m->n, &size, err);
  IoFile *f = NULL;
  bool ok = header != NULL && header_seal(header, size, err);
  if (ok) ok = (f = io_create(hook, path, 0666, err)) != NULL;
  ok = ok && io_write(f, header, size, err);
  for (int i = 0; ok && i < n; i++) ok = st_write_data(f, &tensors[i], err);
  free(header);
  if (ok) return io_commit(f, err);
  io_abandon(f);
  return false;
}

static bool save_as(const IoHook *hook, const char *path, const CheckpointTensor *tensors, int n,
                    const CheckpointInfo *info, bool half, TdError *err) {
  Meta m = {.pairs = calloc((size_t)n + 16, sizeof(StPair)), .ok = true};
  StSource *sources = calloc((size_t)n + 1, sizeof *sources);
  bool ok = (m.pairs != NULL && sources != NULL) || td_fail_memory(err);
  if (ok) meta_fill(&m, info);
  for (int i = 0; ok && i < n; i++) {
    StType type = checkpoint_type(tensors[i].type);
    bool real = type == ST_F32 || type == ST_F64;
    sources[i] = (StSource){.name = tensors[i].name,
                            .from = type,
                            .rank = tensors[i].rank,
                            .data = tensors[i].data,
                            .remote = tensors[i].states,
                            .part = tensors[i].state,
                            .first = tensors[i].first};
    sources[i].type = half && real ? ST_F16 : type;
    memcpy(sources[i].shape, tensors[i].shape, sizeof sources[i].shape);
    char hex[DIGEST_HEX];
    ok = st_source_digest(&sources[i], hex, err);
    if (ok) meta_add_tensor(&m, tensors[i].name, hex);
  }
  if (ok && !m.ok) ok = td_fail_memory(err);
  ok = ok && save_sources(hook, path, sources, n, &m, err);
  free(sources);
  if (m.pairs != NULL) meta_free(&m);
  return ok;
}

bool checkpoint_save(const IoHook *hook, const char *path, const CheckpointTensor *tensors, int n,
                     const CheckpointInfo *info, TdError *err) {
  return save_as(hook, path, tensors, n, info, false, err);
}

bool checkpoint_export(const IoHook *hook, const char *path, const CheckpointTensor *tensors, int n,
                       const CheckpointInfo *info, TdError *err) {
  CheckpointInfo weights = *info;
  weights.weights_only = true;
  return save_as(hook, path, tensors, n, &weights, true, err);
}

/* ---- opening ------------------------------------------------------------------- */

static bool meta_int(const Checkpoint *c, const char *key, int64_t *out, TdError *err) {
  const char *s = st_meta(c->file, key);
  char *end;
  errno = 0;
  long long x = s != NULL ? strtoll(s, &end, 10) : 0;
  if (s == NULL || *s == '\0' || *end != '\0' || errno != 0)
    return td_fail(err, TD_DAMAGED, "%s is damaged: '%s' is missing or no number", c->path, key);
  *out = x;
  return true;
}

static bool info_parse(Checkpoint *c, TdError *err) {
  CheckpointInfo *i = &c->info;
  const char *format = st_meta(c->file, "format"), *seed = st_meta(c->file, "seed");
  const char *best = st_meta(c->file, "best");
  if (format == NULL) return td_fail(err, TD_DAMAGED, "%s was not written by tdc", c->path);
  i->weights_only = strcmp(format, "tdc weights 1") == 0;
  if (!i->weights_only && strcmp(format, "tdc checkpoint 1") != 0)
    return td_fail(err, TD_DAMAGED, "%s has the format '%.60s', which this tdc does not read",
                   c->path, format);
  if (seed == NULL || best == NULL)
    return td_fail(err, TD_DAMAGED, "%s is damaged: no seed", c->path);
  i->seed = strtoull(seed, NULL, 10);
  i->best = strcmp(best, "inf") == 0 ? (double)INFINITY : parse_double(best, NULL);
  i->program = st_meta(c->file, "program");
  i->tokens = st_meta(c->file, "tokens");
  i->vocabulary = st_meta(c->file, "vocabulary");
  i->unigram = st_meta(c->file, "unigram");
  i->record = st_meta(c->file, "record");
  return meta_int(c, "step", &i->step, err) && meta_int(c, "position", &i->position, err) &&
         meta_int(c, "best_step", &i->best_step, err) && meta_int(c, "stale", &i->stale, err) &&
         (st_meta(c->file, "validated") == NULL || meta_int(c, "validated", &i->validated, err));
}

static bool tensors_verify(Checkpoint *c, TdError *err) {
  for (int i = 0; i < st_count(c->file); i++) {
    const StTensor *t = st_at(c->file, i);
    char hex[DIGEST_HEX];
    size_t n = strlen(t->name) + 8;
    char *key = malloc(n);
    if (key == NULL) return td_fail_memory(err);
    snprintf(key, n, "sha256 %s", t->name);
    const char *want = st_meta(c->file, key);
    free(key);
    if (!st_digest(c->file, t, hex, err)) return false;
    if (want == NULL || strcmp(want, hex) != 0)
      return td_fail(err, TD_DAMAGED, "%s is damaged: the checksum of '%.200s' differs", c->path,
                     t->name);
  }
  return true;
}

/* Written by another program, hence nothing to verify: neither of the two words with which a
 * file of ours says whose it is. Other metadata tells nothing (PyTorch writes "format": "pt").
 * One damaged byte cannot make a file of ours look so. */
static bool is_foreign(const Checkpoint *c) {
  const char *format = st_meta(c->file, "format");
  return st_meta(c->file, header_key) == NULL &&
         (format == NULL || strncmp(format, our_format, sizeof our_format - 1) != 0);
}

static bool foreign_parse(Checkpoint *c) {
  c->info = (CheckpointInfo){.weights_only = true,
                             .tokens = st_meta(c->file, "tokens"),
                             .vocabulary = st_meta(c->file, "vocabulary"),
                             .unigram = st_meta(c->file, "unigram")};
  return true;
}

static Checkpoint *open_checked(const IoHook *hook, const char *path, bool foreign, TdError *err) {
  Checkpoint *c = calloc(1, sizeof *c);
  if (c == NULL || (c->path = strdup(path)) == NULL) {
    free(c);
    td_fail_memory(err);
    return NULL;
  }
  c->file = st_open(hook, path, err);
  if (c->file != NULL && foreign && is_foreign(c) && foreign_parse(c)) return c;
  if (c->file != NULL && header_verify(c, err) && info_parse(c, err) && tensors_verify(c, err))
    return c;
  checkpoint_close(c);
  return NULL;
}

Checkpoint *checkpoint_open(const IoHook *hook, const char *path, TdError *err) {
  return open_checked(hook, path, false, err);
}

Checkpoint *checkpoint_open_weights(const IoHook *hook, const char *path, TdError *err) {
  return open_checked(hook, path, true, err);
}

void checkpoint_close(Checkpoint *c) {
  if (c == NULL) return;
  st_close(c->file);
  free(c->path);
  free(c);
}

const CheckpointInfo *checkpoint_info(const Checkpoint *c) { return &c->info; }
const char *checkpoint_path(const Checkpoint *c) { return c->path; }
bool checkpoint_has(const Checkpoint *c, const char *name) {
  return st_find(c->file, name) != NULL;
}

static void shape_text(char *out, size_t n, int rank, const int64_t *shape) {
  size_t at = (size_t)snprintf(out, n, "[");
  for (int i = 0; i < rank && at < n; i++)
    at += (size_t)snprintf(out + at, n - at, "%s%" PRId64, i > 0 ? ", " : "", shape[i]);
  if (at < n) snprintf(out + at, n - at, "]");
}

/* Some elements, from the i-th on, to where they belong. */
static void put_some(const CheckpointTensor *want, int64_t i, int64_t count, const void *from) {
  const StRemote *r = want->states;
  size_t size = td_type_size(want->type);
  if (want->data == NULL)
    r->write(r->owner, want->state, want->first + i, count, from);
  else if (count > 0)
    memcpy((char *)want->data + (size_t)i * size, from, (size_t)count * size);
}

static bool read_pieces(Checkpoint *c, const StTensor *t, const CheckpointTensor *want,
                        TdError *err) {
  StType type = checkpoint_type(want->type);
  size_t in = st_type_size(t->type), out = st_type_size(type);
  int64_t most = ST_PIECE / (int64_t)(in > out ? in : out);
  if (t->count < most) most = t->count;
  char *raw = malloc((size_t)most * in + 1), *piece = malloc((size_t)most * out + 1);
  bool ok = (raw != NULL && piece != NULL) || td_fail_memory(err);
  for (int64_t i = 0; ok && i < t->count; i += most) {
    int64_t some = t->count - i < most ? t->count - i : most;
    ok = st_read_some(c->file, t, i, some, raw, err);
    if (ok && type != t->type) st_convert(type, piece, t->type, raw, (size_t)some);
    if (ok) put_some(want, i, some, type != t->type ? piece : raw);
  }
  free(raw);
  free(piece);
  return ok;
}

static bool read_one(Checkpoint *c, const CheckpointTensor *want, TdError *err) {
  const StTensor *t = st_find(c->file, want->name);
  if (t == NULL)
    return td_fail(err, TD_DAMAGED, "%s has no tensor '%s': it belongs to another model", c->path,
                   want->name);
  bool same = t->rank == want->rank &&
              memcmp(t->shape, want->shape, (size_t)t->rank * sizeof t->shape[0]) == 0;
  if (!same) {
    char is[200], should[200];
    shape_text(is, sizeof is, t->rank, t->shape);
    shape_text(should, sizeof should, want->rank, want->shape);
    return td_fail(err, TD_DAMAGED,
                   "%s: '%s' has the shape %s, the model wants %s (other -D options?)", c->path,
                   want->name, is, should);
  }
  if (!st_convert(checkpoint_type(want->type), NULL, t->type, NULL, 0))
    return td_fail(err, TD_DAMAGED, "%s: '%s' is stored as %s, the model wants %s", c->path,
                   want->name, st_type_name(t->type), st_type_name(checkpoint_type(want->type)));
  return read_pieces(c, t, want, err);
}

bool checkpoint_read(Checkpoint *c, const CheckpointTensor *tensors, int n, TdError *err) {
  for (int i = 0; i < n; i++)
    if (!read_one(c, &tensors[i], err)) return false;
  return true;
}
