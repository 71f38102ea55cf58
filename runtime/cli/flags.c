/* SPDX-License-Identifier: MIT */
/* Words of the command line into flags and arguments. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"

static bool takes(const Command *c, const Flag *f) { return (f->of & c->bit) != 0; }

static const Flag *find_long(const Command *c, const char *name, size_t n) {
  for (const Flag *f = cli_flags; f->name != NULL; f++)
    if (takes(c, f) && strlen(f->name) == n && strncmp(f->name, name, n) == 0) return f;
  return NULL;
}

static const Flag *find_short(const Command *c, char letter) {
  for (const Flag *f = cli_flags; f->name != NULL; f++)
    if (takes(c, f) && f->letter == letter && letter != 0) return f;
  return NULL;
}

static bool unknown_flag(const Cli *c, const char *word) {
  const char *names[64];
  int n = 0;
  char bare[128];
  snprintf(bare, sizeof bare, "%.*s", (int)strcspn(word + strspn(word, "-"), "="),
           word + strspn(word, "-"));
  for (const Flag *f = cli_flags; f->name != NULL && n < 64; f++)
    if (takes(c->command, f)) names[n++] = f->name;
  const char *near = did_you_mean(bare, names, n);
  cli_usage(c, "`tdc %s` has no flag '%.100s'%s%s%s", c->command->name, word,
            near != NULL ? "; did you mean --" : "", near != NULL ? near : "",
            near != NULL ? "?" : "");
  return false;
}

static const char *keep_name(Cli *c, const char *text, size_t n) {
  char *name = strndup(text, n);
  if (name != NULL) c->owned[c->nowned++] = name;
  return name;
}

static bool add_define(Cli *c, const char *text) {
  const char *eq = strchr(text, '=');
  if (eq == NULL || eq == text || eq[1] == '\0') {
    cli_usage(c, "-D takes NAME=VALUE, not '%.100s'", text);
    return false;
  }
  const char *name = keep_name(c, text, (size_t)(eq - text));
  if (name == NULL) return false;
  c->defines[c->ndefines++] = (Define){.name = name, .value = eq + 1};
  return true;
}

static bool add_flag(Cli *c, const Flag *f, const char *value) {
  if (f->meta != NULL && strcmp(f->meta, "PATH") == 0 && *value == '\0') {
    cli_usage(c, "--%s takes a path, not an empty word", f->name);
    return false;
  }
  if (strcmp(f->name, "define") == 0) return add_define(c, value);
  if (strcmp(f->name, "color") == 0 && strcmp(value, "auto") != 0) {
    bool always = strcmp(value, "always") == 0;
    if (!always && strcmp(value, "never") != 0) {
      cli_usage(c, "--color takes auto, always or never");
      return false;
    }
    c->out = terminal_open(stdout, always ? COLOUR_ALWAYS : COLOUR_NEVER);
    c->err = terminal_open(stderr, always ? COLOUR_ALWAYS : COLOUR_NEVER);
  }
  if (strcmp(f->name, "json") == 0) c->json = true;
  if (strcmp(f->name, "quiet") == 0) c->quiet = true;
  c->given[c->ngiven++] = (Given){f->name, value};
  return true;
}

/* words[i] is a flag; i moves on when it takes the next word. */
static bool parse_flag(Cli *c, char **words, int n, int *i) {
  const char *word = words[*i], *value = NULL;
  const Flag *f;
  if (word[1] == '-') {
    size_t len = strcspn(word + 2, "=");
    f = find_long(c->command, word + 2, len);
    if (word[2 + len] == '=') value = word + 3 + len;
    if (f == NULL && c->command->open_flags && len > 0) {
      if (value == NULL && *i + 1 < n) value = words[++*i]; /* none: whose flag it is decides */
      const char *name = keep_name(c, word + 2, len);
      if (name == NULL) return false;
      c->given[c->ngiven++] = (Given){name, value};
      return true;
    }
    if (f != NULL && f->meta == NULL && value != NULL) {
      cli_usage(c, "--%s takes no value", f->name);
      return false;
    }
  } else {
    f = find_short(c->command, word[1]);
    if (f != NULL && word[2] != '\0') {
      if (f->meta == NULL) return unknown_flag(c, word);
      value = word + 2;
    }
  }
  if (f == NULL) return unknown_flag(c, word);
  if (f->meta != NULL && value == NULL) {
    if (*i + 1 >= n) {
      cli_usage(c, "--%s takes %s", f->name, f->meta);
      return false;
    }
    value = words[++*i];
  }
  return add_flag(c, f, value);
}

/* Nothing that was given may be without effect. */
static bool rules_hold(const Cli *c) {
  for (const FlagRule *r = cli_flag_rules; r->flag != NULL; r++) {
    if ((r->of != 0 && (r->of & c->command->bit) == 0) ||
        find_long(c->command, r->flag, strlen(r->flag)) == NULL ||
        find_long(c->command, r->other, strlen(r->other)) == NULL || !cli_has(c, r->flag) ||
        cli_has(c, r->other) == r->needs)
      continue;
    cli_usage(c, r->needs ? "--%s goes with --%s" : "--%s and --%s exclude each other", r->flag,
              r->other);
    return false;
  }
  return true;
}

bool cli_parse(Cli *c, int n, char **words) {
  c->given = calloc((size_t)n + 1, sizeof *c->given);
  c->args = calloc((size_t)n + 1, sizeof *c->args);
  c->defines = calloc((size_t)n + 1, sizeof *c->defines);
  c->owned = calloc((size_t)n + 1, sizeof *c->owned);
  if (c->given == NULL || c->args == NULL || c->defines == NULL || c->owned == NULL) return false;
  bool flags = true;
  for (int i = 0; i < n; i++) {
    if (flags && strcmp(words[i], "--") == 0) {
      flags = false;
    } else if (flags && words[i][0] == '-' && words[i][1] != '\0') {
      if (!parse_flag(c, words, n, &i)) return false;
    } else {
      c->args[c->nargs++] = words[i];
    }
  }
  if (cli_has(c, "help")) return true;
  if (!rules_hold(c)) return false;
  if (c->nargs >= c->command->least && c->nargs <= c->command->most) return true;
  cli_usage(c, "`tdc %s` takes %s", c->command->name,
            c->command->arguments[0] != '\0' ? c->command->arguments : "no arguments");
  return false;
}

void cli_free(Cli *c) {
  for (int i = 0; i < c->nowned; i++) free(c->owned[i]);
  free(c->owned);
  free(c->given);
  free(c->args);
  free(c->defines);
}

bool cli_has(const Cli *c, const char *name) {
  for (int i = 0; i < c->ngiven; i++)
    if (strcmp(c->given[i].name, name) == 0) return true;
  return false;
}

const char *cli_text(const Cli *c, const char *name, const char *otherwise) {
  for (int i = c->ngiven - 1; i >= 0; i--)
    if (strcmp(c->given[i].name, name) == 0) return c->given[i].value;
  return otherwise;
}

static bool digit(char c) { return c >= '0' && c <= '9'; }

bool cli_int(const Cli *c, const char *name, int64_t least, int64_t most, int64_t *out) {
  const char *text = cli_text(c, name, NULL);
  if (text == NULL) return true;
  char *end;
  errno = 0;
  long long x = strtoll(text, &end, 10);
  if (!digit(text[*text == '-']) || *end != '\0' || errno != 0 || x < least || x > most) {
    cli_usage(c, "--%s takes a whole number from %" PRId64 " to %" PRId64 ", not '%.100s'", name,
              least, most, text);
    return false;
  }
  *out = x;
  return true;
}

/* K, M, G and T are powers of 1000, Ki, Mi, Gi and Ti of 1024; a B may follow.
 * 0: it is something else. */
static double unit_of(const char *text) {
  static const char letters[] = "KMGT";
  double unit = 1, step = 1000;
  const char *letter = *text != '\0' ? strchr(letters, *text) : NULL;
  if (letter != NULL && *++text == 'i') {
    step = 1024;
    text++;
  }
  for (long k = letter != NULL ? letter - letters + 1 : 0; k > 0; k--) unit *= step;
  if (*text == 'B') text++;
  return *text == '\0' ? unit : 0;
}

bool cli_bytes(const Cli *c, const char *name, int64_t *out) {
  const char *text = cli_text(c, name, NULL), *at = text;
  double x = 0, part = 1;
  if (text == NULL) return true;
  for (; digit(*at); at++) x = 10 * x + (*at - '0');
  if (*at == '.' && at > text)
    for (at++; digit(*at); at++) x += (part /= 10) * (*at - '0');
  x *= at > text ? unit_of(at) : 0;
  if (!(x >= 1 && x <= 1e18)) {
    cli_usage(c, "--%s takes a size such as 800M or 1.5G, not '%.100s'", name, text);
    return false;
  }
  *out = (int64_t)(x + 0.5);
  return true;
}

bool cli_seed(const Cli *c, uint64_t *out) {
  const char *text = cli_text(c, "seed", NULL);
  if (text == NULL) return true;
  char *end;
  errno = 0;
  unsigned long long x = strtoull(text, &end, 10);
  if (!digit(*text) || *end != '\0' || errno != 0) {
    cli_usage(c, "--seed takes a whole number from 0 to 18446744073709551615, not '%.100s'", text);
    return false;
  }
  *out = x;
  return true;
}
