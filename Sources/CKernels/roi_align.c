#include "roi_align.h"

#include <math.h>
#include <string.h>

#include "tasks.h"

// Samples lie on a grid, and how a sample is mixed from its four pixels is a product of one weight an axis. So a bin is
// a short list of rows and one of columns, each with the sum of its weights: a mean takes every pixel of a box about
// once, however many samples there are. For a maximum the largest and the least weight are kept instead.

typedef struct {
  void (*add)(float *sum, const float *x, float weight, long n);
  void (*raise)(float *high, float *low, const float *x, float most, float least, long n);
} roi_loops;

#define KERNELS "roi_align.inc"
#include "each_simd.h"

// Channels of a task, and of a task of the gradient.
enum { CHANNELS = 32, GRADIENT_CHANNELS = 16 };

// One axis of a box: where its bins lie, and how many samples each has.
typedef struct {
  float start, bin;
  long samples;
} roi_span;

static roi_span span_of(const lig_roi_align *p, float low, float high, long bins) {
  float offset = p->half_pixel ? 0.5f : 0.0f;
  roi_span span = {.start = low * p->spatial_scale - offset};
  float size = high * p->spatial_scale - offset - span.start;
  if (!p->half_pixel) size = size > 1 || size != size ? size : 1;
  span.bin = size / (float)bins;
  // A box without area has bins without samples.
  float wanted = p->sampling_ratio ? (float)p->sampling_ratio : ceilf(span.bin);
  span.samples = wanted > 0 ? (wanted <= (float)LIG_ROI_MOST_SAMPLES ? (long)wanted : LIG_ROI_MOST_SAMPLES + 1) : 0;
  return span;
}

static roi_span rows_of(const lig_roi_align *p, const float *box) {
  return span_of(p, box[1], box[3], p->out_height);
}
static roi_span columns_of(const lig_roi_align *p, const float *box) {
  return span_of(p, box[0], box[2], p->out_width);
}

static int check_span(roi_span span, long bins) {
  if (!isfinite(span.start) || !isfinite(span.bin)) return LIG_ROI_NOT_FINITE;
  return span.samples > LIG_ROI_MOST_SAMPLES / bins ? LIG_ROI_TOO_LARGE : LIG_ROI_FITS;
}

static lig_roi_problem check_boxes(const lig_roi_align *p, const float *boxes, const int64_t *images) {
  for (long i = 0; i < p->boxes; i++) {
    if (images[i] < 0 || images[i] >= p->images) return (lig_roi_problem){LIG_ROI_NO_IMAGE, i};
    int kind = check_span(rows_of(p, boxes + 4 * i), p->out_height);
    if (kind == LIG_ROI_FITS) kind = check_span(columns_of(p, boxes + 4 * i), p->out_width);
    if (kind != LIG_ROI_FITS) return (lig_roi_problem){kind, i};
  }
  return (lig_roi_problem){LIG_ROI_FITS, 0};
}

// What the bins of one axis read: bin b has the entries first[b] ..< first[b + 1].
typedef struct {
  int *first, *at;
  // The sum of an entry's weights, or the largest of them; the least is kept for maxima.
  float *weight, *least;
  // A sample of the bin lies outside: it counts as 0.
  char *outside;
  // All entries lie in low ..< high.
  long low, high, capacity;
} roi_axis;

// Bins do not overlap, and each reads at most a few pixels beyond its ends: samples are so few that those of huge boxes
// lie further apart than their places are rounded.
static long axis_capacity(long n, long bins) { return lig_min(bins * n, n + 8 * bins + 32); }
static long axis_bytes(long n, long bins) {
  long entries = axis_capacity(n, bins) * (long)(sizeof(int) + 2 * sizeof(float));
  return ((bins + 1) * (long)sizeof(int) + entries + bins + 63) & ~63L;
}
static long line_bytes(const lig_roi_align *p) { return (p->width * (long)sizeof(float) + 63) & ~63L; }
static long worker_bytes(const lig_roi_align *p) {
  return axis_bytes(p->height, p->out_height) + axis_bytes(p->width, p->out_width) + 2 * line_bytes(p);
}

long lig_roi_align_workspace(const lig_roi_align *p, int threads) {
  return worker_bytes(p) * threads;
}

static roi_axis lay_out_axis(char *memory, long n, long bins) {
  roi_axis axis = {.capacity = axis_capacity(n, bins), .first = (int *)memory};
  axis.at = axis.first + bins + 1;
  axis.weight = (float *)(axis.at + axis.capacity);
  axis.least = axis.weight + axis.capacity;
  axis.outside = (char *)(axis.least + axis.capacity);
  return axis;
}

// Adds a sample's weight on one pixel. Samples come in order: what they have in common is near the end of the list.
static long put(roi_axis *axis, long first, long count, long at, float weight, int is_max) {
  for (long i = count - 1; i >= first && i >= count - 3; i--) {
    if (axis->at[i] != at) continue;
    if (!is_max) axis->weight[i] += weight;
    else if (weight > axis->weight[i]) axis->weight[i] = weight;
    else if (weight < axis->least[i]) axis->least[i] = weight;
    return count;
  }
  if (count == axis->capacity) return count;
  axis->at[count] = (int)at;
  axis->weight[count] = axis->least[count] = weight;
  if (at < axis->low) axis->low = at;
  if (at >= axis->high) axis->high = at + 1;
  return count + 1;
}

static void fill_axis(roi_axis *axis, roi_span span, long n, long bins, int is_max) {
  long count = 0;
  axis->low = n;
  axis->high = 0;
  for (long b = 0; b < bins; b++) {
    long first = count;
    axis->first[b] = (int)first;
    axis->outside[b] = 0;
    for (long i = 0; i < span.samples; i++) {
      float v = span.start + (float)b * span.bin + ((float)i + 0.5f) * span.bin / (float)span.samples;
      if (!(v >= -1.0f && v <= (float)n)) {
        axis->outside[b] = 1;
        continue;
      }
      v = v > 0 ? v : 0;
      long low = lig_min((long)v, n - 1), high = lig_min(low + 1, n - 1);
      float past = low == n - 1 ? 0 : v - (float)low;
      count = put(axis, first, count, low, 1.0f - past, is_max);
      count = put(axis, first, count, high, past, is_max);
    }
  }
  axis->first[bins] = (int)count;
}

typedef struct {
  const lig_roi_align *plan;
  roi_loops loops;
  const float *x, *boxes, *g;
  const int64_t *images;
  float *y, *dx;
  char *workspace;
  long channel_tasks;
} roi_job;

// What a worker has: the two axes of a box, and two rows of pixels.
typedef struct {
  roi_axis rows, columns;
  float *line, *other;
  float count;
} roi_view;

static roi_view lay_out(const roi_job *j, int worker) {
  const lig_roi_align *p = j->plan;
  char *memory = j->workspace + worker * worker_bytes(p);
  roi_view view = {.rows = lay_out_axis(memory, p->height, p->out_height)};
  memory += axis_bytes(p->height, p->out_height);
  view.columns = lay_out_axis(memory, p->width, p->out_width);
  memory += axis_bytes(p->width, p->out_width);
  view.line = (float *)memory;
  view.other = (float *)(memory + line_bytes(p));
  return view;
}

static void look_at(const roi_job *j, long box, roi_view *view) {
  const lig_roi_align *p = j->plan;
  roi_span rows = rows_of(p, j->boxes + 4 * box), columns = columns_of(p, j->boxes + 4 * box);
  // Without samples along one axis there are none at all.
  if (rows.samples == 0 || columns.samples == 0) rows.samples = columns.samples = 0;
  fill_axis(&view->rows, rows, p->height, p->out_height, p->is_max);
  fill_axis(&view->columns, columns, p->width, p->out_width, p->is_max);
  view->count = fmaxf((float)rows.samples * (float)columns.samples, 1.0f);
}

// ── Mean ────────────────────────────────────────────────────────────────────
static void mean_plane(const roi_job *j, const roi_view *v, const float *x, float *y) {
  const lig_roi_align *p = j->plan;
  long low = v->columns.low, n = v->columns.high - low;
  for (long by = 0; by < p->out_height; by++, y += p->out_width) {
    if (n > 0) memset(v->line + low, 0, (size_t)n * sizeof(float));
    for (int r = v->rows.first[by]; n > 0 && r < v->rows.first[by + 1]; r++) {
      j->loops.add(v->line + low, x + v->rows.at[r] * p->width + low, v->rows.weight[r], n);
    }
    for (long bx = 0; bx < p->out_width; bx++) {
      float sum = 0;
      for (int c = v->columns.first[bx]; c < v->columns.first[bx + 1]; c++) {
        sum += v->columns.weight[c] * v->line[v->columns.at[c]];
      }
      y[bx] = sum / v->count;
    }
  }
}

static void mean_gradient(const roi_job *j, const roi_view *v, const float *g, float *dx) {
  const lig_roi_align *p = j->plan;
  long low = v->columns.low, n = v->columns.high - low;
  if (n <= 0) return;
  for (long by = 0; by < p->out_height; by++, g += p->out_width) {
    memset(v->line + low, 0, (size_t)n * sizeof(float));
    for (long bx = 0; bx < p->out_width; bx++) {
      float share = g[bx] / v->count;
      for (int c = v->columns.first[bx]; c < v->columns.first[bx + 1]; c++) {
        v->line[v->columns.at[c]] += v->columns.weight[c] * share;
      }
    }
    for (int r = v->rows.first[by]; r < v->rows.first[by + 1]; r++) {
      j->loops.add(dx + v->rows.at[r] * p->width + low, v->line + low, v->rows.weight[r], n);
    }
  }
}

// ── Maximum ─────────────────────────────────────────────────────────────────
// A positive pixel counts most with the largest weights, a negative one with the least.
static void max_plane(const roi_job *j, const roi_view *v, const float *x, float *y) {
  const lig_roi_align *p = j->plan;
  long low = v->columns.low, n = v->columns.high - low;
  for (long by = 0; by < p->out_height; by++, y += p->out_width) {
    for (long i = low; i < low + n; i++) v->line[i] = v->other[i] = -INFINITY;
    for (int r = v->rows.first[by]; n > 0 && r < v->rows.first[by + 1]; r++) {
      j->loops.raise(v->line + low, v->other + low, x + v->rows.at[r] * p->width + low, v->rows.weight[r],
                     v->rows.least[r], n);
    }
    int has_rows = v->rows.first[by] < v->rows.first[by + 1];
    for (long bx = 0; bx < p->out_width; bx++) {
      int from = v->columns.first[bx], to = has_rows ? v->columns.first[bx + 1] : from;
      float best = from == to || v->rows.outside[by] || v->columns.outside[bx] ? 0 : -INFINITY;
      for (int c = from; c < to; c++) {
        float high = v->line[v->columns.at[c]], least = v->other[v->columns.at[c]];
        float value = high > 0 || high != high ? v->columns.weight[c] * high : v->columns.least[c] * least;
        best = value > best || value != value ? value : best;
      }
      y[bx] = best;
    }
  }
}

static void max_gradient(const roi_job *j, const roi_view *v, const float *x, const float *g, float *dx) {
  const lig_roi_align *p = j->plan;
  for (long by = 0; by < p->out_height; by++, g += p->out_width) {
    for (long bx = 0; bx < p->out_width; bx++) {
      long at = -1;
      float best = v->rows.outside[by] || v->columns.outside[bx] ? 0 : -INFINITY, slope = 0;
      for (int r = v->rows.first[by]; r < v->rows.first[by + 1]; r++) {
        const float *row = x + v->rows.at[r] * p->width;
        for (int c = v->columns.first[bx]; c < v->columns.first[bx + 1]; c++) {
          float pixel = row[v->columns.at[c]];
          float weight = pixel > 0 || pixel != pixel ? v->rows.weight[r] * v->columns.weight[c]
                                                     : v->rows.least[r] * v->columns.least[c];
          if (!(weight * pixel > best) && pixel == pixel) continue;
          best = weight * pixel;
          slope = weight;
          at = v->rows.at[r] * p->width + v->columns.at[c];
        }
      }
      if (at >= 0) dx[at] += slope * g[bx];
    }
  }
}

// ── Tasks ───────────────────────────────────────────────────────────────────
static void forward_task(void *context, long index, int worker) {
  const roi_job *j = context;
  const lig_roi_align *p = j->plan;
  long box = index / j->channel_tasks, first = index % j->channel_tasks * CHANNELS;
  long plane = p->height * p->width, bins = p->out_height * p->out_width;
  roi_view view = lay_out(j, worker);
  look_at(j, box, &view);
  for (long c = first; c < lig_min(first + CHANNELS, p->channels); c++) {
    const float *x = j->x + (j->images[box] * p->channels + c) * plane;
    float *y = j->y + (box * p->channels + c) * bins;
    if (p->is_max) max_plane(j, &view, x, y);
    else mean_plane(j, &view, x, y);
  }
}

// Some channels of one image: the boxes add to them one after the other, whatever the number of threads.
static void gradient_task(void *context, long index, int worker) {
  const roi_job *j = context;
  const lig_roi_align *p = j->plan;
  long image = index / j->channel_tasks, first = index % j->channel_tasks * GRADIENT_CHANNELS;
  long last = lig_min(first + GRADIENT_CHANNELS, p->channels);
  long plane = p->height * p->width, bins = p->out_height * p->out_width;
  roi_view view = lay_out(j, worker);
  memset(j->dx + (image * p->channels + first) * plane, 0, (size_t)((last - first) * plane) * sizeof(float));
  for (long box = 0; box < p->boxes; box++) {
    if (j->images[box] != image) continue;
    look_at(j, box, &view);
    for (long c = first; c < last; c++) {
      long at = (image * p->channels + c) * plane;
      const float *g = j->g + (box * p->channels + c) * bins;
      if (p->is_max) max_gradient(j, &view, j->x + at, g, j->dx + at);
      else mean_gradient(j, &view, g, j->dx + at);
    }
  }
}

lig_roi_problem lig_roi_align_run(
    const lig_roi_align *p, lig_pool *pool, const float *x, const float *boxes, const int64_t *images, float *y,
    void *workspace) {
  lig_roi_problem problem = check_boxes(p, boxes, images);
  if (problem.kind != LIG_ROI_FITS) return problem;
  roi_job job = {
    .plan = p, .loops = BEST(roi), .x = x, .boxes = boxes, .images = images, .y = y, .workspace = workspace,
    .channel_tasks = lig_tiles(p->channels, CHANNELS),
  };
  lig_parallel(pool, p->boxes * job.channel_tasks, forward_task, &job);
  return problem;
}

lig_roi_problem lig_roi_align_gradient_run(
    const lig_roi_align *p, lig_pool *pool, const float *g, const float *boxes, const int64_t *images,
    const float *x, float *dx, void *workspace) {
  lig_roi_problem problem = check_boxes(p, boxes, images);
  if (problem.kind != LIG_ROI_FITS) return problem;
  roi_job job = {
    .plan = p, .loops = BEST(roi), .x = x, .boxes = boxes, .g = g, .images = images, .dx = dx,
    .workspace = workspace, .channel_tasks = lig_tiles(p->channels, GRADIENT_CHANNELS),
  };
  lig_parallel(pool, p->images * job.channel_tasks, gradient_task, &job);
  return problem;
}
