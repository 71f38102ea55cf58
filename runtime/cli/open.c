/* SPDX-License-Identifier: MIT */
/* What most commands begin with: the .td file, the machine, the weights. */
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/cpu/threads.h"
#include "runtime/cpu/toolchain.h"

/* What samples and models need of the text is in the weights file: with one at
 * hand no corpus is read. It stays open while the project is compiled. */
static Checkpoint *remembered(Cli *c, ProjectOptions *o) {
  unsigned command = c->command->bit;
  bool wanted = (command & (CLI_SAMPLE | CLI_RUN | CLI_NOISE)) || cli_has(c, "weights");
  if (!wanted || (command & (CLI_EVAL | CLI_EXPORT | CLI_COMPARE)) || cli_has(c, "untrained"))
    return NULL;
  if (command == CLI_NOISE && !cli_has(c, "text")) return NULL; /* it reads held-out text */
  TdError ignored = {0};
  StrBuf folder = {0};
  size_t n;
  const char *name = unit_name(c->args[0], &n);
  sb_puts(&folder, "runs/");
  sb_write(&folder, name, n);
  Checkpoint *w = weights_find(NULL, cli_text(c, "weights", NULL), folder.s, c->args[0], &ignored);
  sb_free(&folder);
  if (w == NULL) return NULL; /* said when the weights are loaded */
  o->tokens = checkpoint_info(w)->tokens;
  o->vocabulary = checkpoint_info(w)->vocabulary;
  o->unigram = checkpoint_info(w)->unigram;
  return w;
}

/* NULL: nobody asked. */
static const char *asked_device(const Cli *c) {
  enum {
    ASKED = CLI_TRAIN | CLI_SAMPLE | CLI_EVAL | CLI_RUN | CLI_PROFILE | CLI_COMPARE | CLI_NOISE
  };
  const char *variable = getenv("TDC_DEVICE");
  if ((c->command->bit & ASKED) == 0) return NULL;
  if (cli_has(c, "reference")) return "reference";
  if (cli_has(c, "device")) return cli_text(c, "device", NULL);
  return variable != NULL && *variable != '\0' ? variable : NULL;
}

const char *cli_device(const Cli *c) {
  const char *asked = asked_device(c);
  return asked != NULL ? asked : "cpu";
}

/* Is it one, and one for this command? */
static bool device_fits(Cli *c, const char **target, int *code) {
  TdError err = {0};
  StrBuf names = {0};
  const char *device = cli_device(c);
  machine_devices(&names);
  *target = NULL;
  if (cli_has(c, "reference") && cli_has(c, "device") &&
      strcmp(cli_text(c, "device", ""), "reference") != 0)
    *code = cli_usage(c, "--reference and --device %.100s exclude each other",
                      cli_text(c, "device", ""));
  else if (!machine_has(device))
    *code = cli_usage(c, "%s is %s, not '%.100s'", cli_has(c, "device") ? "--device" : "TDC_DEVICE",
                      names.s != NULL ? names.s : "", device);
  else if (c->command->bit == CLI_PROFILE && strcmp(device, "reference") == 0)
    *code = cli_usage(c, "the reference evaluator has no kernels to take the time of");
  else if ((*target = machine_target(device, &err)) == NULL)
    *code = cli_fail(c, &err);
  sb_free(&names);
  return *target != NULL;
}

bool cli_product(Cli *c, const char **product, int *code) {
  const char *exact = cli_text(c, "exact", NULL);
  *product = cli_text(c, "product", exact);
  if (exact != NULL && strcmp(exact, "fma") != 0)
    *code = cli_usage(c, "--exact takes fma, not '%.100s'", exact);
  else if (*product != NULL && td_split(*product) < 0)
    *code = cli_usage(c, "--product takes " TD_SPLIT_NAMES ", not '%.100s'", *product);
  else
    return true;
  return false;
}

bool cli_project_telling(Cli *c, Project *p, const UnitOptions *o, Telling telling, int *code) {
  TdError err = {0};
  *p = (Project){0}; /* before anything can fail: it is closed in either case */
  const char *act = cli_text(c, "act", "f32");
  if (strcmp(act, "f32") != 0 && strcmp(act, "bf16") != 0) {
    *code = cli_usage(c, "--act takes f32 or bf16, not '%.100s'", act);
    return false;
  }
  const char *product;
  if (!cli_product(c, &product, code)) return false;
  if (product != NULL && !td_split_agrees_with_bf16(td_split(product)) &&
      strcmp(act, "bf16") == 0) {
    *code = cli_usage(c, "--product %s is of f32: --act bf16 multiplies in bf16", product);
    return false;
  }
  ProjectOptions options = {.path = c->args[0]};
  if (o != NULL) options.unit = *o;
  if (!device_fits(c, &options.unit.target, code)) return false;
  if (options.unit.defines == NULL) {
    options.unit.defines = c->defines;
    options.unit.ndefines = c->ndefines;
  }
  options.unit.act = cli_text(c, "act", NULL);
  options.unit.product = product;
  int64_t threads = 0;
  if (!cli_bytes(c, "memory", &options.unit.memory) || !cli_int(c, "threads", 1, 256, &threads)) {
    *code = TD_BAD_USAGE;
    return false;
  }
  options.unit.threads = threads > 0 ? (int)threads : cpu_count();
  options.search = (CorpusSearch){
      .override = cli_text(c, "data", NULL), .offline = cli_has(c, "offline"), .quiet = c->quiet};
  Checkpoint *w = cli_text(c, "data", NULL) == NULL ? remembered(c, &options) : NULL;
  bool ok = project_open(p, &options, &err), found = p->diags != NULL && diags_count(p->diags) > 0;
  checkpoint_close(w);
  bool told = c->json && c->command->bit == CLI_CHECK && ok; /* its result is the warnings */
  if (found && !told && telling >= (ok ? TELL_ALL : TELL_ERRORS)) {
    bool json = c->json && !ok; /* warnings never mix with results */
    project_report(p, json, c->err.colour, json ? stdout : stderr);
  }
  if (ok) return true;
  if (telling == TELL_NOTHING) return false;
  *code = p->diags != NULL && diags_errors(p->diags) > 0 ? (int)err.status : cli_fail(c, &err);
  return false;
}

bool cli_project(Cli *c, Project *p, const UnitOptions *o, int *code) {
  return cli_project_telling(c, p, o, c->quiet ? TELL_ERRORS : TELL_ALL, code);
}

/* Said only where someone waits for it: on a terminal the line goes again. What
 * is compiled later on is a moment within a run that shows its progress. */
static void tell_begin(void *ctx, int units) {
  Cli *c = ctx;
  if (c->quiet || c->told) return;
  c->told = true;
  fprintf(stderr, "compiling kernels for this machine (%d part%s) ...%s", units,
          units == 1 ? "" : "s", c->err.live ? "" : "\n");
  fflush(stderr);
}

static void tell_end(const Cli *c, const JitStats *s) {
  char took[32];
  if (c->quiet || s == NULL || s->loaded_whole || s->compiled == 0) return;
  format_duration(took, s->seconds);
  fprintf(stderr, "%scompiled %d of %d parts in %s\n", c->err.live ? "\r\033[K" : "", s->compiled,
          s->units, took);
}

/* All there is, where nobody asked. Commands that are about kernels need a compiler. */
static bool without_kernels(const Cli *c) {
  if (asked_device(c) != NULL) return false;
  if (c->command->bit & (CLI_PROFILE | CLI_EXPORT)) return false;
  char *tried = toolchain_missing();
  bool missing = tried != NULL;
  if (missing && !c->quiet)
    fprintf(stderr,
            "tdc: no C compiler found (tried %s): running on the reference evaluator, slower by "
            "far; install gcc\n",
            tried);
  free(tried);
  return missing;
}

bool cli_machine(Cli *c, Machine *m, const Unit *u, const char *const *entries, int *code) {
  TdError err = {0};
  int64_t threads = 0;
  *m = (Machine){0};
  if (!cli_int(c, "threads", 1, 256, &threads)) {
    *code = TD_BAD_USAGE;
    return false;
  }
  JitOptions options = {
      .no_cache = cli_has(c, "no-cache"), .stop = c->stop, .note = tell_begin, .note_ctx = c};
  const char *device = without_kernels(c) ? "reference" : cli_device(c);
  if (machine_open(m, device, u, (int)threads, &options, &err) &&
      session_need(m->session, entries, &err)) {
    tell_end(c, machine_stats(m));
    return true;
  }
  if (err.status == TD_STOPPED) err.signal = (int)*c->stop;
  *code = cli_fail(c, &err);
  return false;
}

char *cli_run_folder(const Cli *c, const Unit *u) {
  StrBuf s = {0};
  const char *given = c->command->bit == CLI_TRAIN ? cli_text(c, "output", NULL) : NULL;
  if (given != NULL)
    sb_puts(&s, given);
  else
    sb_printf(&s, "runs/%s", u->name);
  return s.s;
}

bool cli_weights_find(Cli *c, const Project *p, Checkpoint **w, int *code) {
  TdError err = {0};
  *w = NULL;
  if (cli_has(c, "untrained") || p->unit->nparameters == 0) return true;
  char *folder = cli_run_folder(c, p->unit);
  if (folder == NULL)
    td_fail_memory(&err);
  else
    *w = weights_find(NULL, cli_text(c, "weights", NULL), folder, p->unit->path, &err);
  free(folder);
  if (*w != NULL && weights_fit(p, *w, &err)) return true;
  *code = cli_fail(c, &err);
  return false;
}

bool cli_start(Cli *c, const Project *p, Machine *m, const char *entry, Checkpoint *w,
               uint64_t seed, int *code) {
  TdError err = {0};
  const char *const entries[] = {w == NULL ? "init" : entry, entry, NULL};
  if (!cli_machine(c, m, p->unit, entries, code)) return false;
  int init = session_entry(m->session, "init");
  if (w == NULL) {
    if (init >= 0) session_run(m->session, init, seed, 0);
    if (session_sync(m->session, &err)) return true;
    *code = cli_fail(c, &err);
    return false;
  }
  if (!weights_restore(m->session, p->unit, w, &err)) {
    *code = cli_fail(c, &err);
    return false;
  }
  if (!c->quiet)
    fprintf(stderr, "weights: %s, step %lld\n", checkpoint_path(w),
            (long long)checkpoint_info(w)->step);
  return true;
}
