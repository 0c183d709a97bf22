#define _GNU_SOURCE
#include "pool.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define relax() _mm_pause()
#elif defined(__aarch64__)
#define relax() __asm__ volatile("yield")
#else
#define relax() ((void)0)
#endif

// After `spins` looks a thread lets others have its core, after `yields` more it sleeps until it is woken: where other
// programs want the cores, or more threads were asked for than there are, waiting must not take what working needs.
enum { most_threads = 256, spins = 2000, yields = 50 };

typedef struct {
  lig_pool *pool;
  int index;
} worker_start;

// `ticket` holds the job's number in its upper 32 bits and the next index in its lower 32: a worker that comes late
// for one job can never claim an index of the next with the wrong body.
struct lig_pool {
  _Alignas(64) atomic_uint_fast64_t ticket;
  _Alignas(64) atomic_long finished;
  _Alignas(64) atomic_uint generation;
  atomic_int sleeping;
  atomic_bool awaited;    // the caller sleeps until the last body has ended
  atomic_bool stopping;
  lig_body body;
  void *context;
  double deadline;        // of the caller
  atomic_long count;
  int threads;
  pthread_mutex_t turn;   // callers from different threads take turns
  pthread_mutex_t gate;   // guards falling asleep
  pthread_cond_t wake;
  pthread_cond_t done;
  pthread_t *handles;
  worker_start *starts;
};

static _Thread_local lig_pool *inside;
static _Thread_local int inside_worker;
static _Thread_local double own_deadline = INFINITY;

// ── Time ────────────────────────────────────────────────────────────────────
double lig_clock(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

double lig_set_deadline(double deadline) {
  double before = own_deadline;
  own_deadline = deadline;
  return before;
}

// The clock only goes on, so what was over once stays over: nothing need be remembered.
static int is_over(double deadline) { return deadline < INFINITY && deadline < lig_clock(); }

int lig_is_over(void) { return is_over(inside ? inside->deadline : own_deadline); }

// Takes all indices that nobody has claimed yet, so that nobody runs them.
static long claim_rest(lig_pool *pool, uint32_t job, long count) {
  uint_fast64_t seen = atomic_load_explicit(&pool->ticket, memory_order_acquire);
  while ((uint32_t)(seen >> 32) == job && (long)(uint32_t)seen < count) {
    if (atomic_compare_exchange_weak(&pool->ticket, &seen, (uint64_t)job << 32 | (uint64_t)count)) {
      return count - (long)(uint32_t)seen;
    }
  }
  return 0;
}

static void run_share(lig_pool *pool, uint32_t job, int worker) {
  for (int is_first = 1;; is_first = 0) {
    uint_fast64_t seen = atomic_load_explicit(&pool->ticket, memory_order_acquire);
    for (;;) {
      if ((uint32_t)(seen >> 32) != job) return;
      // `count` may already be the next job's, but then the ticket has changed as well and the claim below fails.
      if ((long)(uint32_t)seen >= atomic_load_explicit(&pool->count, memory_order_relaxed)) return;
      if (atomic_compare_exchange_weak_explicit(
              &pool->ticket, &seen, seen + 1, memory_order_acq_rel, memory_order_acquire)) break;
    }
    long done = 1;
    // The first of each thread needs no look: most jobs are so short that the clock would show.
    if (!is_first && is_over(pool->deadline)) {
      done += claim_rest(pool, job, atomic_load_explicit(&pool->count, memory_order_relaxed));
    } else {
      pool->body(pool->context, (long)(uint32_t)seen, worker);
    }
    // Both in one order with what `await` does: either it sees the number, or this sees that it sleeps.
    atomic_fetch_add(&pool->finished, done);
    if (worker != 0 && atomic_load(&pool->awaited)) {
      pthread_mutex_lock(&pool->gate);
      pthread_cond_signal(&pool->done);
      pthread_mutex_unlock(&pool->gate);
    }
  }
}

static void *work(void *argument) {
  worker_start *start = argument;
  lig_pool *pool = start->pool;
  inside = pool;
  inside_worker = start->index;
  unsigned seen = 0;
  for (;;) {
    unsigned now = atomic_load_explicit(&pool->generation, memory_order_acquire);
    for (int spin = 0; now == seen && spin < spins; ++spin) {
      relax();
      now = atomic_load_explicit(&pool->generation, memory_order_acquire);
    }
    if (now == seen) {
      pthread_mutex_lock(&pool->gate);
      atomic_fetch_add(&pool->sleeping, 1);
      while ((now = atomic_load(&pool->generation)) == seen && !atomic_load(&pool->stopping)) {
        pthread_cond_wait(&pool->wake, &pool->gate);
      }
      atomic_fetch_sub(&pool->sleeping, 1);
      pthread_mutex_unlock(&pool->gate);
    }
    if (atomic_load(&pool->stopping)) return NULL;
    seen = now;
    run_share(pool, now, start->index);
  }
}

static void stop(lig_pool *pool, int started) {
  pthread_mutex_lock(&pool->gate);
  atomic_store(&pool->stopping, 1);
  atomic_fetch_add(&pool->generation, 1);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->gate);
  for (int i = 0; i < started; ++i) pthread_join(pool->handles[i], NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_cond_destroy(&pool->done);
  pthread_mutex_destroy(&pool->gate);
  pthread_mutex_destroy(&pool->turn);
  free(pool->handles);
  free(pool->starts);
  free(pool);
}

lig_pool *lig_pool_create(int threads) {
  if (threads < 1) threads = 1;
  if (threads > most_threads) threads = most_threads;
  lig_pool *pool = aligned_alloc(64, (sizeof *pool + 63) / 64 * 64);
  if (!pool) return NULL;
  memset(pool, 0, sizeof *pool);
  pool->threads = threads;
  pool->handles = calloc((size_t)threads, sizeof *pool->handles);
  pool->starts = calloc((size_t)threads, sizeof *pool->starts);
  pthread_mutex_init(&pool->turn, NULL);
  pthread_mutex_init(&pool->gate, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  int started = 0;
  if (pool->handles && pool->starts) {
    for (; started < threads - 1; ++started) {
      pool->starts[started] = (worker_start){.pool = pool, .index = started + 1};
      if (pthread_create(&pool->handles[started], NULL, work, &pool->starts[started])) break;
    }
  }
  if (started < threads - 1 || !pool->handles || !pool->starts) {
    stop(pool, started);
    return NULL;
  }
  return pool;
}

void lig_pool_destroy(lig_pool *pool) {
  if (pool) stop(pool, pool->threads - 1);
}

int lig_pool_threads(const lig_pool *pool) { return pool ? pool->threads : 1; }

// Until all bodies have ended.
static void await(lig_pool *pool, long count) {
  for (int look = 0; look < spins + yields; ++look) {
    if (atomic_load_explicit(&pool->finished, memory_order_acquire) >= count) return;
    if (look < spins) {
      relax();
    } else {
      sched_yield();
    }
  }
  // A worker has lost its core in the middle of a body.
  pthread_mutex_lock(&pool->gate);
  atomic_store(&pool->awaited, 1);
  while (atomic_load(&pool->finished) < count) pthread_cond_wait(&pool->done, &pool->gate);
  atomic_store(&pool->awaited, 0);
  pthread_mutex_unlock(&pool->gate);
}

static void run_job(lig_pool *pool, long count, lig_body body, void *context) {
  unsigned job = atomic_load_explicit(&pool->generation, memory_order_relaxed) + 1;
  // Close the ticket before the fields change: a worker late for the last job must not claim with this one's count.
  atomic_store(&pool->ticket, (uint64_t)job << 32 | UINT32_MAX);
  pool->body = body;
  pool->context = context;
  atomic_store_explicit(&pool->count, count, memory_order_release);
  atomic_store_explicit(&pool->finished, 0, memory_order_relaxed);
  atomic_store(&pool->ticket, (uint64_t)job << 32);
  atomic_store(&pool->generation, job);
  if (atomic_load(&pool->sleeping)) {
    pthread_mutex_lock(&pool->gate);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->gate);
  }
  run_share(pool, job, 0);
  await(pool, count);
}

static void run_alone(double deadline, long count, lig_body body, void *context, int worker) {
  for (long index = 0; index < count; ++index) {
    if (index > 0 && is_over(deadline)) return;
    body(context, index, worker);
  }
}

void lig_parallel(lig_pool *pool, long count, lig_body body, void *context) {
  if (!pool) return run_alone(own_deadline, count, body, context, 0);
  if (inside == pool) return run_alone(pool->deadline, count, body, context, inside_worker);
  pthread_mutex_lock(&pool->turn);
  lig_pool *outer = inside;
  int outer_worker = inside_worker;
  inside = pool;
  inside_worker = 0;
  pool->deadline = own_deadline;
  const long most = 1L << 30;  // an index fits the ticket's lower half
  if (pool->threads > 1 && count > 1 && count <= most) {
    run_job(pool, count, body, context);
  } else {
    run_alone(own_deadline, count, body, context, 0);
  }
  inside = outer;
  inside_worker = outer_worker;
  pthread_mutex_unlock(&pool->turn);
}
