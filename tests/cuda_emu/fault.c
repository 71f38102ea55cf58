/* SPDX-License-Identifier: MIT */
/* Failures on demand, and settings: what the environment asks of the emulated device. Part
 * of each of the three libraries, which count their own calls. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emu/emu.h"

long long setting(const char *name, long long usual) {
  const char *text = getenv(name);
  return text != NULL && *text != '\0' ? strtoll(text, NULL, 0) : usual;
}

/* How often each call that the environment names was made. */
enum { MOST_FAULTS = 16 };
static struct {
  char name[64];
  long long made;
} counted[MOST_FAULTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static long long count_call(const char *call) {
  long long made = 0;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < MOST_FAULTS; i++) {
    if (counted[i].name[0] == '\0') strncpy(counted[i].name, call, sizeof counted[i].name - 1);
    if (strcmp(counted[i].name, call) != 0) continue;
    made = ++counted[i].made;
    break;
  }
  pthread_mutex_unlock(&lock);
  return made;
}

/* Another wish counts anew. */
static void count_for(const char *wish) {
  static char *last;
  pthread_mutex_lock(&lock);
  if (last == NULL || strcmp(last, wish) != 0) {
    free(last);
    last = strdup(wish);
    memset(counted, 0, sizeof counted);
  }
  pthread_mutex_unlock(&lock);
}

int fault_wanted(const char *call, int usual) {
  const char *at = getenv("TDC_EMU_FAULT");
  count_for(at != NULL ? at : "");
  size_t length = strlen(call);
  long long made = 0;
  for (; at != NULL && *at != '\0'; at = strchr(at, ','), at += at != NULL) {
    if (strncmp(at, call, length) != 0 || at[length] != ':') continue;
    if (made == 0) made = count_call(call);
    const char *number = at + length + 1;
    char *end;
    long long wanted = strtoll(number, &end, 10);
    if (*number == '*') wanted = made, end = (char *)number + 1;
    if (wanted == made) return *end == ':' ? atoi(end + 1) : usual;
  }
  return 0;
}
