/* SPDX-License-Identifier: MIT */
/* tdc train: a training run, or, with --dry-run, what one would take. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/system/json.h"
#include "runtime/peak.h"
#include "runtime/store/record.h"
#include "runtime/train/train.h"

/* A word as a shell takes it. */
static void put_word(StrBuf *out, const char *before, const char *word) {
  static const char plain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=,:";
  bool quote = *word == '\0' || word[strspn(word, plain)] != '\0';
  sb_printf(out, "%s%s", before, quote ? "'" : "");
  for (; *word != '\0'; word++) {
    if (*word == '\'')
      sb_puts(out, "'\\''");
    else
      sb_putc(out, *word);
  }
  if (quote) sb_putc(out, '\'');
}

/* The command that goes on with this run. */
static void resume_command(const Cli *c, const char *folder, StrBuf *out) {
  put_word(out, "tdc train ", c->args[0]);
  put_word(out, " -o ", folder);
  for (int i = 0; i < c->ndefines; i++) {
    StrBuf s = {0};
    sb_printf(&s, "%s=%s", c->defines[i].name, c->defines[i].value);
    put_word(out, " -D ", s.s);
    sb_free(&s);
  }
  static const char *const kept[] = {"act",     "data",  "device", "memory",
                                     "product", "exact", "steps",  "threads"};
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
    if (!cli_has(c, kept[i])) continue;
    sb_printf(out, " --%s", kept[i]);
    put_word(out, " ", cli_text(c, kept[i], ""));
  }
  if (cli_has(c, "reference")) sb_puts(out, " --reference");
  sb_puts(out, " --resume");
}

/* The machine's peak; zeros when it cannot be measured. */
static Peak measure(Pool *pool) {
  Peak peak = {0};
  TdError ignored = {0};
  JitOptions o = {0};
  if (!peak_measure(pool, &o, &peak, &ignored)) peak = (Peak){0};
  return peak;
}

/* What the arithmetic of a step takes at that peak: no step is faster. What it reads and writes
 * says less, as it may lie in a cache. NaN: unknown. */
static double least_seconds(const Unit *u, const TdEntry *train, const Peak *peak) {
  return peak->flops > 0
             ? peak_seconds(peak, train->flops, train->narrow_flops, td_split_products(u->split))
             : (double)NAN;
}

static int dry_run(Cli *c, const Project *p, int64_t steps) {
  TdError err = {0};
  const Unit *u = p->unit;
  const TdEntry *train = NULL;
  int64_t threads = 0;
  for (int i = 0; i < u->program->nentries; i++)
    if (strcmp(u->program->entries[i].name, "train") == 0) train = &u->program->entries[i];
  size_t memory = 0, text = (size_t)unit_text_bytes(u), more = text + train_snapshot_bytes(u);
  if (!cli_int(c, "threads", 1, 256, &threads)) return TD_BAD_USAGE;
  Pool *pool = pool_new((int)threads, &err);
  if (pool == NULL) return cli_fail(c, &err);
  if (train == NULL || !td_program_memory(u->program, pool_threads(pool), &memory)) {
    pool_free(pool);
    return cli_usage(c, "%s has no train { } block", u->path);
  }
  Peak peak = {0}; /* only the CPU's can be had without running anything else */
  if (strcmp(cli_device(c), "cpu") == 0) peak = measure(pool);
  double least = least_seconds(u, train, &peak);
  if (c->json) {
    json_t *o = json_pack(
        "{s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:I}", "parameters", (json_int_t)u->nweights, "memory",
        (json_int_t)(memory + more), "text_memory", (json_int_t)text, "steps", (json_int_t)steps,
        "flops_per_step", train->flops, "bf16_flops_per_step", train->narrow_flops,
        "bytes_per_step", train->bytes, "threads", (json_int_t)pool_threads(pool));
    if (isfinite(least)) o = json_with(o, "least_seconds_per_step", json_real(least));
    pool_free(pool);
    return cli_json(c, o, JSON_COMPACT);
  } else {
    char weights[32], bytes[32], of_text[32], flops[32], step[32], whole[32], rate[32], narrow[32];
    format_count(weights, (double)u->nweights);
    format_bytes(bytes, (double)(memory + more));
    format_bytes(of_text, (double)text);
    format_count(flops, train->flops);
    format_rate(rate, peak.flops);
    printf("%s: %s parameters, %s of memory (%s of it for the text), %s FLOPs a step of %" PRId64
           " x %" PRId64 " tokens\n",
           u->name, weights, bytes, of_text, flops, u->train.batch, u->train.window);
    if (isfinite(least)) {
      format_duration(step, least);
      format_duration(whole, least * (double)steps);
      format_rate(narrow, peak.narrow_flops);
      bool mixed = train->narrow_flops > 0 && (td_split_products(u->split) <= 1 || peak.tiles);
      printf("at least %s a step and %s for %" PRId64
             " steps: the arithmetic alone, at this machine's peak of %s%s%s%s on %d thread%s\n",
             step, whole, steps, rate, mixed ? ", " : "", mixed ? narrow : "",
             mixed ? " in bf16," : "", pool_threads(pool), pool_threads(pool) == 1 ? "" : "s");
    }
  }
  pool_free(pool);
  return cli_done(c);
}

static int train_with(Cli *c, const Project *p, Machine *m, uint64_t seed, int64_t steps) {
  TdError err = {0};
  StrBuf command = {0};
  char *folder = cli_run_folder(c, p->unit);
  RecordMachine ran = machine_record(m);
  json_t *record = record_make(p, c->defines, c->ndefines, seed, &ran);
  if (folder == NULL || record == NULL) {
    free(folder);
    json_decref(record);
    td_fail_memory(&err);
    return cli_fail(c, &err);
  }
  resume_command(c, folder, &command);
  TrainOptions o = {.project = p,
                    .session = m->session,
                    .folder = folder,
                    .resume = cli_has(c, "resume"),
                    .overwrite = cli_has(c, "overwrite"),
                    .other_text = cli_has(c, "data"),
                    .has_seed = cli_has(c, "seed"),
                    .seed = seed,
                    .steps = steps,
                    .record = record,
                    .resume_command = command.s,
                    .terminal = c->err,
                    .quiet = c->quiet,
                    .json = c->json ? stdout : NULL,
                    .stop = c->stop};
  int code = train_run(&o, &err) ? cli_done(c) : cli_fail(c, &err);
  if (code == 0 && !c->quiet)
    fprintf(stderr, "done: %s; sample with: tdc sample %s --weights %s\n", folder, p->unit->path,
            folder);
  json_decref(record);
  sb_free(&command);
  free(folder);
  return code;
}

/* Better said now than after compiling. */
static bool folder_fits(Cli *c, const Unit *u, int *code) {
  TdError err = {0};
  char *folder = cli_run_folder(c, u);
  bool ok = folder != NULL
                ? train_folder_fits(folder, cli_has(c, "resume"), cli_has(c, "overwrite"), &err)
                : td_fail_memory(&err);
  free(folder);
  if (!ok) *code = cli_fail(c, &err);
  return ok;
}

int cli_train(Cli *c) {
  Project p;
  Machine m = {0};
  int code = 0;
  uint64_t seed = 0;
  int64_t steps = 0;
  UnitOptions o = {.no_models = true};
  static const char *const first[] = {"init", "train", NULL};
  if (!cli_seed(c, &seed) || !cli_int(c, "steps", 1, INT64_MAX / 2, &steps)) return TD_BAD_USAGE;
  if (cli_project(c, &p, &o, &code)) {
    if (!p.unit->train.present)
      code = cli_usage(c, "%s has no train { } block", p.unit->path);
    else if (cli_has(c, "dry-run"))
      code = dry_run(c, &p, steps > 0 ? steps : p.unit->train.steps);
    else if (folder_fits(c, p.unit, &code) && cli_machine(c, &m, p.unit, first, &code))
      code = train_with(c, &p, &m, seed, steps);
  }
  machine_close(&m);
  project_close(&p);
  return code;
}
