#include "deform_conv_gradient.h"

#include <math.h>
#include <string.h>

#include "gemm.h"

// Image by image. What the taps read of an image is a matrix of channels * taps rows, one column a pixel ("columns"):
// its gradient is one product; from it follow those of x (a task is a channel), of the offsets and of the mask (a task
// is a tap). Then the columns themselves take its place, for the gradient of the weights.

// Where a tap reads for one output pixel: four neighbours (-1: outside), and how far it is past the first of them.
typedef struct {
  int at[4];
  float down, right;
} gradient_sample;

void lig_deform_conv_gradient_prepare(lig_deform_conv_gradient *p) {
  p->taps = p->kernel_h * p->kernel_w;
  p->pixels = p->out_h * p->out_w;
  long rows = p->channels / p->groups * p->taps, filters = p->filters / p->groups;
  p->to_columns = (lig_matmul){
    .m = rows, .n = p->pixels, .k = filters, .a_row = 1, .a_column = rows, .b_row = p->pixels, .b_column = 1,
    .alpha = 1,
  };
  p->to_weights = (lig_matmul){
    .m = filters, .n = rows, .k = p->pixels, .a_row = p->pixels, .a_column = 1, .b_row = 1, .b_column = p->pixels,
    .alpha = 1,
  };
  lig_matmul_prepare(&p->to_columns);
  lig_matmul_prepare(&p->to_weights);
}

static long column_floats(const lig_deform_conv_gradient *p) {
  return gemm_round_up(p->channels * p->taps * p->pixels, 16);
}
static long sample_bytes(const lig_deform_conv_gradient *p) {
  return gemm_round_up(p->offset_groups * p->taps * p->pixels * (long)sizeof(gradient_sample), 64);
}

long lig_deform_conv_gradient_workspace(const lig_deform_conv_gradient *p, int threads) {
  long products = lig_matmul_workspace(&p->to_columns, threads);
  products = gemm_max(products, lig_matmul_workspace(&p->to_weights, threads));
  return column_floats(p) * (long)sizeof(float) + sample_bytes(p) + products;
}

typedef struct {
  const lig_deform_conv_gradient *plan;
  const lig_deform_conv_gradient_data *data;
  float *columns;
  gradient_sample *samples;
  long image;
} deform_job;

static gradient_sample sample_at(const lig_deform_conv_gradient *p, float y, float x) {
  gradient_sample s = {{-1, -1, -1, -1}, 0, 0};
  // NaN fails the comparison as well: it reads nothing.
  if (!(y > -1 && y < (float)p->height && x > -1 && x < (float)p->width)) return s;
  long top = (long)floorf(y), left = (long)floorf(x);
  s.down = y - (float)top;
  s.right = x - (float)left;
  for (int corner = 0; corner < 4; ++corner) {
    long row = top + corner / 2, column = left + corner % 2;
    if (row >= 0 && row < p->height && column >= 0 && column < p->width) s.at[corner] = (int)(row * p->width + column);
  }
  return s;
}

static float weight_of(const gradient_sample *s, int corner) {
  return (corner / 2 ? s->down : 1 - s->down) * (corner % 2 ? s->right : 1 - s->right);
}

// A tap of an offset group, counted through.
static long first_offset(const deform_job *j, long tap) {
  return (j->image * j->plan->offset_groups * j->plan->taps + tap) * j->plan->pixels;
}

static void sample_task(void *context, long index, int worker) {
  (void)worker;
  const deform_job *j = context;
  const lig_deform_conv_gradient *p = j->plan;
  const float *dy = j->data->offsets + 2 * first_offset(j, index), *dx = dy + p->pixels;
  long tap = index % p->taps;
  long ky = tap / p->kernel_w * p->dilation_h - p->pad_top, kx = tap % p->kernel_w * p->dilation_w - p->pad_left;
  for (long i = 0; i < p->pixels; ++i) {
    long oy = i / p->out_w, ox = i % p->out_w;
    j->samples[index * p->pixels + i] =
        sample_at(p, (float)(oy * p->stride_h + ky) + dy[i], (float)(ox * p->stride_w + kx) + dx[i]);
  }
}

// The gradients of one tap's offsets and mask: sums over the channels that share it.
static void offset_task(void *context, long index, int worker) {
  (void)worker;
  const deform_job *j = context;
  const lig_deform_conv_gradient *p = j->plan;
  long shared = p->channels / p->offset_groups, first = index / p->taps * shared, tap = index % p->taps;
  float *dy = j->data->doffsets ? j->data->doffsets + 2 * first_offset(j, index) : NULL;
  float *dmask = j->data->dmask ? j->data->dmask + first_offset(j, index) : NULL;
  const float *mask = j->data->mask ? j->data->mask + first_offset(j, index) : NULL;
  if (dy) memset(dy, 0, (size_t)(2 * p->pixels) * sizeof(float));
  if (dmask) memset(dmask, 0, (size_t)p->pixels * sizeof(float));
  for (long channel = first; channel < first + shared; ++channel) {
    const float *x = j->data->x + (j->image * p->channels + channel) * p->height * p->width;
    const float *g = j->columns + (channel * p->taps + tap) * p->pixels;
    for (long i = 0; i < p->pixels; ++i) {
      const gradient_sample *s = &j->samples[index * p->pixels + i];
      float v[4];
      for (int corner = 0; corner < 4; ++corner) v[corner] = s->at[corner] >= 0 ? x[s->at[corner]] : 0;
      if (dmask) {
        float top = v[0] + s->right * (v[1] - v[0]), bottom = v[2] + s->right * (v[3] - v[2]);
        dmask[i] += g[i] * (top + s->down * (bottom - top));
      }
      if (dy) {
        float factor = mask ? g[i] * mask[i] : g[i];
        dy[i] += factor * ((1 - s->right) * (v[2] - v[0]) + s->right * (v[3] - v[1]));
        dy[p->pixels + i] += factor * ((1 - s->down) * (v[1] - v[0]) + s->down * (v[3] - v[2]));
      }
    }
  }
}

// The first tap of the offset group that a channel belongs to.
static long taps_of(const lig_deform_conv_gradient *p, long channel) {
  return channel / (p->channels / p->offset_groups) * p->taps;
}

static void input_task(void *context, long channel, int worker) {
  (void)worker;
  const deform_job *j = context;
  const lig_deform_conv_gradient *p = j->plan;
  long size = p->height * p->width;
  float *dx = j->data->dx + (j->image * p->channels + channel) * size;
  memset(dx, 0, (size_t)size * sizeof(float));
  for (long tap = 0; tap < p->taps; ++tap) {
    long index = taps_of(p, channel) + tap;
    const float *g = j->columns + (channel * p->taps + tap) * p->pixels;
    const float *mask = j->data->mask ? j->data->mask + first_offset(j, index) : NULL;
    for (long i = 0; i < p->pixels; ++i) {
      const gradient_sample *s = &j->samples[index * p->pixels + i];
      float factor = mask ? g[i] * mask[i] : g[i];
      for (int corner = 0; corner < 4; ++corner) {
        if (s->at[corner] >= 0) dx[s->at[corner]] += factor * weight_of(s, corner);
      }
    }
  }
}

static void column_task(void *context, long channel, int worker) {
  (void)worker;
  const deform_job *j = context;
  const lig_deform_conv_gradient *p = j->plan;
  const float *x = j->data->x + (j->image * p->channels + channel) * p->height * p->width;
  for (long tap = 0; tap < p->taps; ++tap) {
    long index = taps_of(p, channel) + tap;
    float *to = j->columns + (channel * p->taps + tap) * p->pixels;
    const float *mask = j->data->mask ? j->data->mask + first_offset(j, index) : NULL;
    for (long i = 0; i < p->pixels; ++i) {
      const gradient_sample *s = &j->samples[index * p->pixels + i];
      float value = 0;
      for (int corner = 0; corner < 4; ++corner) {
        if (s->at[corner] >= 0) value += weight_of(s, corner) * x[s->at[corner]];
      }
      to[i] = mask ? value * mask[i] : value;
    }
  }
}

void lig_deform_conv_gradient_run(
    const lig_deform_conv_gradient *p, lig_pool *pool, const lig_deform_conv_gradient_data *data, void *workspace) {
  deform_job job = {.plan = p, .data = data, .columns = workspace};
  job.samples = (gradient_sample *)(job.columns + column_floats(p));
  void *scratch = (char *)job.samples + sample_bytes(p);
  long rows = p->channels / p->groups * p->taps, filters = p->filters / p->groups;
  for (job.image = 0; job.image < p->batch; ++job.image) {
    const float *g = data->g + job.image * p->filters * p->pixels;
    lig_parallel(pool, p->offset_groups * p->taps, sample_task, &job);
    if (data->dx || data->doffsets || data->dmask) {
      for (long group = 0; group < p->groups; ++group) {
        lig_matmul_run(&p->to_columns, pool, data->weights + group * filters * rows, g + group * filters * p->pixels,
                       NULL, job.columns + group * rows * p->pixels, scratch);
      }
    }
    if (data->doffsets || data->dmask) lig_parallel(pool, p->offset_groups * p->taps, offset_task, &job);
    if (data->dx) lig_parallel(pool, p->channels, input_task, &job);
    if (!data->dweights) continue;
    lig_parallel(pool, p->channels, column_task, &job);
    lig_matmul to_weights = p->to_weights;
    to_weights.accumulates = job.image > 0;
    for (long group = 0; group < p->groups; ++group) {
      lig_matmul_run(&to_weights, pool, g + group * filters * p->pixels, job.columns + group * rows * p->pixels, NULL,
                     data->dweights + group * filters * rows, scratch);
    }
  }
}
