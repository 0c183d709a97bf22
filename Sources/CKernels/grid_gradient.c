#include <string.h>

#include "grid_place.h"

enum { POINTS = 64, CHANNELS = 8 };

typedef struct {
  int mode, padding, align;
  const float *x, *grid, *g;
  float *dx, *dgrid;
  long channels, height, width, points, tiles;
} grid_job;

// The two places along an axis that a point lies between, -1 where there is nothing, with their weights, and how fast
// the point moves with the grid.
typedef struct {
  long at[2];
  float weight[2], slope;
} axis_place;

static axis_place place_axis(const grid_job *work, float v, long n) {
  axis_place result;
  float at = denormalize(v, n, work->align);
  result.slope = work->align ? 0.5f * (float)(n - 1) : 0.5f * (float)n;
  if (work->padding == LIG_GRID_BORDER) {
    float most = (float)(n - 1);
    if (!(at > 0 && at < most)) result.slope = 0;
    at = at > 0 ? fminf(at, most) : 0;
  } else if (work->padding == LIG_GRID_REFLECTION) {
    result.slope *= reflect_slope(at, n, work->align);
    at = reflect(at, n, work->align);
  }
  int nearest = work->mode == LIG_GRID_NEAREST;
  float first = nearest ? rintf(at) : floorf(at);
  result.weight[1] = nearest ? 0 : at - first;
  result.weight[0] = 1.0f - result.weight[1];
  if (nearest) result.slope = 0;
  for (int i = 0; i < 2; i++) result.at[i] = place(first + (float)i, n, work->padding, work->align);
  if (nearest) result.at[1] = -1;
  return result;
}

// Adds up what the points of one image give to a few channels.
static void input_task(void *context, long index, int worker) {
  (void)worker;
  const grid_job *work = context;
  long blocks = lig_tiles(work->channels, CHANNELS), batch = index / blocks, first = index % blocks * CHANNELS;
  long last = lig_min(first + CHANNELS, work->channels), plane = work->height * work->width;
  float *dx = work->dx + (batch * work->channels + first) * plane;
  memset(dx, 0, (size_t)((last - first) * plane) * sizeof(float));
  for (long i = 0; i < work->points; i++) {
    const float *at = work->grid + 2 * (batch * work->points + i);
    axis_place x = place_axis(work, at[0], work->width), y = place_axis(work, at[1], work->height);
    for (int t = 0; t < 4; t++) {
      long row = y.at[t / 2], column = x.at[t % 2];
      if (row < 0 || column < 0) continue;
      float weight = y.weight[t / 2] * x.weight[t % 2];
      for (long c = first; c < last; c++) {
        dx[(c - first) * plane + row * work->width + column] +=
          weight * work->g[(batch * work->channels + c) * work->points + i];
      }
    }
  }
}

static void grid_task(void *context, long index, int worker) {
  (void)worker;
  const grid_job *work = context;
  long batch = index / work->tiles, start = index % work->tiles * POINTS;
  long n = lig_min(POINTS, work->points - start), plane = work->height * work->width;
  axis_place x[POINTS], y[POINTS];
  float dx[POINTS] = {0}, dy[POINTS] = {0};
  for (long i = 0; i < n; i++) {
    const float *at = work->grid + 2 * (batch * work->points + start + i);
    x[i] = place_axis(work, at[0], work->width);
    y[i] = place_axis(work, at[1], work->height);
  }
  for (long c = 0; c < work->channels; c++) {
    const float *image = work->x + (batch * work->channels + c) * plane;
    const float *g = work->g + (batch * work->channels + c) * work->points + start;
    for (long i = 0; i < n; i++) {
      float v[4];
      for (int t = 0; t < 4; t++) {
        long row = y[i].at[t / 2], column = x[i].at[t % 2];
        v[t] = row >= 0 && column >= 0 ? image[row * work->width + column] : 0.0f;
      }
      dx[i] += g[i] * (y[i].weight[0] * (v[1] - v[0]) + y[i].weight[1] * (v[3] - v[2]));
      dy[i] += g[i] * (x[i].weight[0] * (v[2] - v[0]) + x[i].weight[1] * (v[3] - v[1]));
    }
  }
  for (long i = 0; i < n; i++) {
    float *to = work->dgrid + 2 * (batch * work->points + start + i);
    to[0] = dx[i] * x[i].slope;
    to[1] = dy[i] * y[i].slope;
  }
}

// ── Cubic ───────────────────────────────────────────────────────────────────
// The four places along an axis (-1: nothing), their weights, and how these change with the grid.
typedef struct {
  long at[4];
  float weight[4], slope[4];
} cubic_place;

static cubic_place place_cubic(const grid_job *work, float v, long n) {
  cubic_place result;
  float at = denormalize(v, n, work->align), low = floorf(at);
  float rate = work->align ? 0.5f * (float)(n - 1) : 0.5f * (float)n;
  cubic(at - low, result.weight);
  cubic_slopes(at - low, result.slope);
  for (int i = 0; i < 4; i++) {
    result.slope[i] *= rate;
    result.at[i] = place(low + (float)(i - 1), n, work->padding, work->align);
  }
  return result;
}

static void cubic_input_task(void *context, long index, int worker) {
  (void)worker;
  const grid_job *work = context;
  long blocks = lig_tiles(work->channels, CHANNELS), batch = index / blocks, first = index % blocks * CHANNELS;
  long last = lig_min(first + CHANNELS, work->channels), plane = work->height * work->width;
  float *dx = work->dx + (batch * work->channels + first) * plane;
  memset(dx, 0, (size_t)((last - first) * plane) * sizeof(float));
  for (long i = 0; i < work->points; i++) {
    const float *at = work->grid + 2 * (batch * work->points + i);
    cubic_place x = place_cubic(work, at[0], work->width), y = place_cubic(work, at[1], work->height);
    for (int t = 0; t < 16; t++) {
      long row = y.at[t / 4], column = x.at[t % 4];
      if (row < 0 || column < 0) continue;
      float weight = y.weight[t / 4] * x.weight[t % 4];
      for (long c = first; c < last; c++) {
        dx[(c - first) * plane + row * work->width + column] +=
          weight * work->g[(batch * work->channels + c) * work->points + i];
      }
    }
  }
}

static void cubic_grid_task(void *context, long index, int worker) {
  (void)worker;
  const grid_job *work = context;
  long batch = index / work->tiles, start = index % work->tiles * POINTS;
  long last = lig_min(start + POINTS, work->points), plane = work->height * work->width;
  for (long i = start; i < last; i++) {
    const float *at = work->grid + 2 * (batch * work->points + i);
    cubic_place x = place_cubic(work, at[0], work->width), y = place_cubic(work, at[1], work->height);
    float dx = 0, dy = 0;
    for (long c = 0; c < work->channels; c++) {
      const float *image = work->x + (batch * work->channels + c) * plane;
      float g = work->g[(batch * work->channels + c) * work->points + i];
      for (int t = 0; t < 16; t++) {
        long row = y.at[t / 4], column = x.at[t % 4];
        if (row < 0 || column < 0) continue;
        float value = g * image[row * work->width + column];
        dx += value * y.weight[t / 4] * x.slope[t % 4];
        dy += value * y.slope[t / 4] * x.weight[t % 4];
      }
    }
    float *to = work->dgrid + 2 * (batch * work->points + i);
    to[0] = dx;
    to[1] = dy;
  }
}

void lig_grid_sample_gradient(
  int mode, int padding, int align_corners, const float *x, const float *grid, const float *g, float *dx, float *dgrid,
  long batch, long channels, long height, long width, long out_height, long out_width, lig_pool *pool
) {
  grid_job work = {
    .mode = mode, .padding = padding, .align = align_corners, .x = x, .grid = grid, .g = g, .dx = dx, .dgrid = dgrid,
    .channels = channels, .height = height, .width = width, .points = out_height * out_width,
  };
  work.tiles = lig_tiles(work.points, POINTS);
  int is_cubic = mode == LIG_GRID_CUBIC;
  if (dx) lig_parallel(pool, batch * lig_tiles(channels, CHANNELS), is_cubic ? cubic_input_task : input_task, &work);
  if (dgrid) lig_parallel(pool, batch * work.tiles, is_cubic ? cubic_grid_task : grid_task, &work);
}
