#define _GNU_SOURCE
#include "CSystem.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { most_mappings = 1024, longest_name = 240 };

typedef struct {
  atomic_uintptr_t start;  // 0: free
  size_t count;
  char name[longest_name];
} mapping;

static mapping mappings[most_mappings];
static pthread_mutex_t change = PTHREAD_MUTEX_INITIALIZER;
static volatile sig_atomic_t code;

void lig_mapping_add(const void *start, size_t count, const char *name) {
  pthread_mutex_lock(&change);
  for (int i = 0; i < most_mappings; ++i) {
    mapping *m = &mappings[i];
    if (atomic_load(&m->start)) continue;
    m->count = count;
    size_t length = strlen(name), skipped = length < longest_name ? 0 : length - longest_name + 1;
    for (size_t j = 0; j <= length - skipped; ++j) {
      char c = name[skipped + j];
      // What a terminal would obey is not printed.
      m->name[j] = c != 0 && ((unsigned char)c < 32 || c == 127) ? '?' : c;
    }
    atomic_store(&m->start, (uintptr_t)start);
    break;
  }
  pthread_mutex_unlock(&change);
}

void lig_mapping_remove(const void *start) {
  pthread_mutex_lock(&change);
  for (int i = 0; i < most_mappings; ++i) {
    if (atomic_load(&mappings[i].start) == (uintptr_t)start) atomic_store(&mappings[i].start, 0);
  }
  pthread_mutex_unlock(&change);
}

static void say(const char *text) {
  size_t left = strlen(text);
  while (left > 0) {
    ssize_t written = write(STDERR_FILENO, text, left);
    if (written <= 0) return;
    text += written;
    left -= (size_t)written;
  }
}

// Only what may be called in a handler: atomics, write and _exit.
static void handle(int number, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t address = (uintptr_t)info->si_addr;
  for (int i = 0; i < most_mappings; ++i) {
    uintptr_t start = atomic_load(&mappings[i].start);
    if (!start || address < start || address - start >= mappings[i].count) continue;
    say("error: '");
    say(mappings[i].name);
    say("' became shorter, or its disk failed, while it was in use; replace files by renaming new ones over them, "
        "and run again\n");
    _exit(code);
  }
  // Not ours: the fault happens again, and the system does what it does.
  signal(number, SIG_DFL);
}

void lig_mapping_guard(int exit_code) {
  code = exit_code;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, NULL);
}
