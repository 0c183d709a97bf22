#include "resize_add.h"

#include "tasks.h"

#define KERNELS "resize_add.inc"
#include "each_simd.h"

typedef struct {
  void (*row)(const float *x, const float *y, float *out, long width, long repeat, const int *columns);
  const float *x, *y;
  float *out;
  long in_height, in_width, height, width, y_height, y_width, repeat, total, per_task;
  const int *rows, *columns;
} resize_add_job;

static void resize_add_task(void *context, long index, int worker) {
  (void)worker;
  const resize_add_job *work = context;
  long first = index * work->per_task, end = lig_min(first + work->per_task, work->total);
  for (long at = first; at < end; at++) {
    long from = at / work->height * work->in_height + work->rows[at % work->height];
    const float *x = work->x + from * work->in_width;
    const float *y = work->y + (work->y_height == work->height ? at : at / work->height) * work->y_width;
    float *out = work->out + at * work->width;
    if (work->y_width == work->width) {
      work->row(x, y, out, work->width, work->repeat, work->columns);
    } else {
      for (long j = 0; j < work->width; j++) out[j] = y[0] + x[work->columns[j]];
    }
  }
}

void lig_resize_add(
  const float *x, const float *y, float *out, long planes, long in_height, long in_width, long height, long width,
  long y_height, long y_width, const int *rows, const int *columns, lig_pool *pool
) {
  if (planes == 0 || height == 0 || width == 0) return;
  resize_add_job work = {
    BEST(add_row), x, y, out, in_height, in_width, height, width, y_height, y_width, 0, planes * height, 1, rows,
    columns};
  work.repeat = in_width > 0 && width % in_width == 0 ? width / in_width : 0;
  for (long j = 0; j < width && work.repeat; j++) {
    if (columns[j] != j / work.repeat) work.repeat = 0;
  }
  work.per_task = lig_max(1, LIG_GRAIN / width);
  lig_parallel(pool, lig_tiles(work.total, work.per_task), resize_add_task, &work);
}
