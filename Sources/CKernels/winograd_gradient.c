// The derivative of a 3 x 3 convolution of stride 1 by its weights through the transforms of winograd.h: inputs as there,
// 2 x 2 gradients by the adjoint of the output's. Over tiles, 16 matrix products collect filters by channels; the
// adjoint of the weights' transform makes 3 x 3 weights of the sums. Tiles are taken a chunk at a time, so that what is
// transformed stays in the caches.
#include "winograd.h"

#include <stddef.h>

#include "conv_gradient.h"
#include "gemm.h"

#define KERNELS "winograd_gradient.inc"
#include "each_simd.h"

enum { places = 16, chunk_floats = 2048 * 1024, least_tiles = 256, most_tiles = 1024, most_filters = 264 };

static long lanes_of(const lig_conv_gradient *p) { return p->panel_width / 2; }
static long channel_panels(const lig_conv_gradient *p) { return (p->channels + p->panel_width - 1) / p->panel_width; }
static long filter_panels(const lig_conv_gradient *p) { return (p->filters + p->panel_height - 1) / p->panel_height; }
/// Vectors that a panel of filters takes.
static long filter_units(const lig_conv_gradient *p) { return (p->panel_height + lanes_of(p) - 1) / lanes_of(p); }

int winograd_gradient_suits(const lig_conv_gradient *p) {
  return p->kernel_h == 3 && p->kernel_w == 3 && p->stride_h == 1 && p->stride_w == 1 && p->dilation_h == 1 &&
         p->dilation_w == 1 && p->groups == 1 && p->channels >= 16 && p->filters >= 16 && p->out_h > 1 && p->out_w > 3;
}

void winograd_gradient_prepare(lig_conv_gradient *p) {
  lig_winograd *w = &p->winograd;
  p->panel_height = gemm_height(p->isa, p->filters);
  w->tiles_h = (p->out_h + 1) / 2;
  w->tiles_w = (p->out_w + 1) / 2;
  long rows = p->batch * w->tiles_h;
  long target = gemm_min(gemm_max(chunk_floats / (places * (p->channels + p->filters)), least_tiles), most_tiles);
  w->rows_per_task = gemm_min(gemm_max(target / w->tiles_w, 1), rows);
  w->tasks = (rows + w->rows_per_task - 1) / w->rows_per_task;
  // Chunks of the same size.
  w->rows_per_task = (rows + w->tasks - 1) / w->tasks;
  w->tasks = (rows + w->rows_per_task - 1) / w->rows_per_task;
  w->line_floats = (2 * w->tiles_w + 2) * lanes_of(p);
  p->filter_tasks = (filter_panels(p) * p->panel_height + most_filters - 1) / most_filters;
  p->filters_per_task = gemm_round_up((p->filters + p->filter_tasks - 1) / p->filter_tasks, p->panel_height);
  p->filter_tasks = (p->filters + p->filters_per_task - 1) / p->filters_per_task;
}

static long chunk_tiles(const lig_conv_gradient *p) { return p->winograd.rows_per_task * p->winograd.tiles_w; }
static long input_plane(const lig_conv_gradient *p) { return channel_panels(p) * p->panel_width * chunk_tiles(p); }
// Whole vectors are written where a panel of filters is one.
static long output_plane(const lig_conv_gradient *p) {
  return gemm_round_up(filter_panels(p) * p->panel_height * chunk_tiles(p), 16);
}
static long sums_floats(const lig_conv_gradient *p) { return places * p->filters * p->channels; }
static long worker_floats(const lig_conv_gradient *p) { return gemm_round_up(4 * p->winograd.line_floats, 16); }

long winograd_gradient_floats(const lig_conv_gradient *p, int threads) {
  return gemm_round_up(sums_floats(p), 16) + places * (input_plane(p) + output_plane(p)) + worker_floats(p) * threads;
}

typedef struct {
  const lig_conv_gradient *plan;
  const float *x, *g;
  float *w, *sums, *inputs, *outputs, *lines;
  /// Rows of tiles of this chunk.
  long first, end;
} chunk_job;

static long job_tiles(const chunk_job *job) { return (job->end - job->first) * job->plan->winograd.tiles_w; }

// A vector of channels of x.
static void load_inputs(const chunk_job *job, long unit, float *scratch) {
  const lig_conv_gradient *p = job->plan;
  const lig_winograd *w = &p->winograd;
  long lanes = lanes_of(p), channel = unit * lanes, valid = gemm_min(lanes, p->channels - channel);
  long plane = p->height * p->width, tiles = job_tiles(job);
  float *to = job->inputs + channel / p->panel_width * p->panel_width * tiles + channel % p->panel_width;
  float *lines[4];
  for (int i = 0; i < 4; ++i) lines[i] = scratch + i * w->line_floats;
  for (long row = job->first; row < job->end; ++row, to += w->tiles_w * p->panel_width) {
    long image = row / w->tiles_h, top = row % w->tiles_h * 2 - p->pad_top;
    const float *from = job->x + (image * p->channels + channel) * plane;
    int known = row > job->first && row % w->tiles_h > 0 ? 2 : 0;
    for (int i = 0; known && i < 2; ++i) {
      float *line = lines[i];
      lines[i] = lines[i + 2];
      lines[i + 2] = line;
    }
    for (int i = known; i < 4; ++i) {
      long y = top + i;
      VARIANT(p->isa, turned_line)(
          y >= 0 && y < p->height ? from + y * p->width : NULL, plane, valid, p->width, p->pad_left,
          2 * w->tiles_w + 2, lines[i]);
    }
    VARIANT(p->isa, gradient_inputs)(lines, w->tiles_w, to, input_plane(p), p->panel_width);
  }
}

// A vector of filters of the gradient.
static void load_outputs(const chunk_job *job, long index, float *scratch) {
  const lig_conv_gradient *p = job->plan;
  const lig_winograd *w = &p->winograd;
  long panel = index / filter_units(p), offset = index % filter_units(p) * lanes_of(p);
  long filter = panel * p->panel_height + offset, some = gemm_min(lanes_of(p), p->panel_height - offset);
  long valid = gemm_max(gemm_min(some, p->filters - filter), 0), tiles = job_tiles(job);
  float *to = job->outputs + panel * p->panel_height * tiles + offset, *lines[2] = {scratch, scratch + w->line_floats};
  for (long row = job->first; row < job->end; ++row, to += w->tiles_w * p->panel_height) {
    long image = row / w->tiles_h, y = row % w->tiles_h * 2;
    const float *from = job->g + (image * p->filters + filter) * p->pixels;
    for (int i = 0; i < 2; ++i) {
      VARIANT(p->isa, turned_line)(
          y + i < p->out_h ? from + (y + i) * p->out_w : NULL, p->pixels, valid, p->out_w, 0, 2 * w->tiles_w,
          lines[i]);
    }
    VARIANT(p->isa, gradient_outputs)(lines, w->tiles_w, to, output_plane(p), p->panel_height, some);
  }
}

static void load_task(void *context, long index, int worker) {
  const chunk_job *job = context;
  float *scratch = job->lines + worker * worker_floats(job->plan);
  long inputs = (job->plan->channels + lanes_of(job->plan) - 1) / lanes_of(job->plan);
  if (index < inputs) load_inputs(job, index, scratch);
  else load_outputs(job, index - inputs, scratch);
}

static void multiply_task(void *context, long index, int worker) {
  (void)worker;
  const chunk_job *job = context;
  const lig_conv_gradient *p = job->plan;
  long place = index / p->filter_tasks, filter = index % p->filter_tasks * p->filters_per_task;
  long tiles = job_tiles(job);
  gemm_block block = {
    .depth = tiles,
    .a = job->outputs + place * output_plane(p) + filter * tiles,
    .height = p->panel_height,
    .b = job->inputs + place * input_plane(p),
    .b_panel = tiles * p->panel_width,
    .b_row = p->panel_width,
    .c = job->sums + (place * p->filters + filter) * p->channels,
    .c_row = p->channels,
    .rows = gemm_min(p->filters_per_task, p->filters - filter),
    .columns = p->channels,
    .accumulate = job->first > 0,
  };
  gemm_run(p->isa, &block);
}

static void weights_task(void *context, long filter, int worker) {
  (void)worker;
  const chunk_job *job = context;
  const lig_conv_gradient *p = job->plan;
  VARIANT(p->isa, gradient_weights)(
      job->sums + filter * p->channels, p->filters * p->channels, p->channels, job->w + filter * p->channels * 9);
}

void winograd_gradient_run(
    const lig_conv_gradient *p, lig_pool *pool, const float *x, const float *g, float *w, float *workspace) {
  chunk_job job = {.plan = p, .x = x, .g = g, .w = w, .sums = workspace};
  job.inputs = job.sums + gemm_round_up(sums_floats(p), 16);
  job.outputs = job.inputs + places * input_plane(p);
  job.lines = job.outputs + places * output_plane(p);
  long rows = p->batch * p->winograd.tiles_h;
  long units = (p->channels + lanes_of(p) - 1) / lanes_of(p) + filter_panels(p) * filter_units(p);
  for (; job.first < rows; job.first = job.end) {
    job.end = gemm_min(job.first + p->winograd.rows_per_task, rows);
    lig_parallel(pool, units, load_task, &job);
    lig_parallel(pool, places * p->filter_tasks, multiply_task, &job);
  }
  lig_parallel(pool, p->filters, weights_task, &job);
}
