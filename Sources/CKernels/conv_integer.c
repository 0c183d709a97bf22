#include "conv_integer.h"

#include <string.h>

#include "igemm.h"

#if LIG_X86
#include <emmintrin.h>
#endif

// x is first copied with its padding (bytes: cheap), which makes gathering columns free of cases. Then each task
// gathers the columns of some pixels, packs them and multiplies the weights with them.
enum { tile_bytes = 192 << 10, least_columns = 64, most_columns = 512, most_filters = 192 };
enum { enough_tasks = 16, task_work = 1 << 20, slack = 64 };

static long filters_of_group(const lig_conv_integer *p) { return p->filters / p->groups; }
static long group_units(const lig_conv_integer *p) {
  return gemm_round_up(filters_of_group(p), p->panel_height) * p->units;
}

void lig_conv_integer_prepare(lig_conv_integer *p) {
  p->isa = igemm_best();
  const long rows = filters_of_group(p);
  p->panel_height = igemm_height(p->isa, rows);
  p->k = p->channels / p->groups * p->kernel_h * p->kernel_w;
  p->units = igemm_units(p->isa, p->k);
  // What the kernel reaches, and at least all of x.
  p->padded_h = gemm_max((p->out_h - 1) * p->stride_h + (p->kernel_h - 1) * p->dilation_h + 1, p->pad_top + p->height);
  p->padded_w = gemm_max((p->out_w - 1) * p->stride_w + (p->kernel_w - 1) * p->dilation_w + 1, p->pad_left + p->width);
  // Output rows that follow each other without a gap in the copy are one long row.
  const int whole = p->stride_h == 1 && p->stride_w == 1 && p->padded_w == p->out_w;
  p->line_h = whole ? 1 : p->out_h;
  p->line_w = whole ? p->out_h * p->out_w : p->out_w;
  const long pixels = p->out_h * p->out_w;
  long columns = tile_bytes / gemm_max(4 * p->units, 1) / 32 * 32;
  columns = gemm_min(gemm_max(columns, least_columns), most_columns);
  // Cutting columns costs nothing as long as the work of a task is worth handing over.
  const double work = (double)p->batch * (double)p->filters * (double)p->k * (double)pixels / task_work;
  const long wanted = work < 1 ? 1 : work > enough_tasks ? enough_tasks : (long)work;
  const long share = gemm_round_up(pixels * p->batch * p->groups / wanted + 1, 32);
  columns = gemm_min(columns, gemm_max(share, least_columns));
  p->column_tasks = (pixels + columns - 1) / columns;
  p->columns_per_task = gemm_round_up((pixels + p->column_tasks - 1) / p->column_tasks, 32);
  p->column_tasks = (pixels + p->columns_per_task - 1) / p->columns_per_task;
  p->row_tasks = (rows + most_filters - 1) / most_filters;
  long tasks = p->batch * p->groups * p->column_tasks;
  if (tasks * p->row_tasks < enough_tasks) {
    // Each row task gathers the same columns again: worth it only for many filters.
    p->row_tasks = gemm_max(gemm_min(rows / 64, enough_tasks / tasks), p->row_tasks);
  }
  p->rows_per_task = gemm_round_up((rows + p->row_tasks - 1) / p->row_tasks, p->panel_height);
  p->row_tasks = (rows + p->rows_per_task - 1) / p->rows_per_task;
}

/// Panels of all groups, then a row of ones that sums columns up, then the sum of each filter.
long lig_conv_integer_packed_size(const lig_conv_integer *p) {
  return 4 * (p->groups * group_units(p) + p->units + p->filters);
}
static const uint32_t *ones_of(const lig_conv_integer *p, const uint32_t *packed) {
  return packed + p->groups * group_units(p);
}
static const int32_t *sums_of(const lig_conv_integer *p, const uint32_t *packed) {
  return (const int32_t *)ones_of(p, packed) + p->units;
}

void lig_conv_integer_pack(const lig_conv_integer *p, const void *weights, void *packed) {
  const long rows = filters_of_group(p);
  uint32_t *ones = (uint32_t *)packed + p->groups * group_units(p);
  int32_t *sums = (int32_t *)ones + p->units;
  for (long u = 0; u < p->units; ++u) ones[u] = p->isa == IGEMM_VNNI ? 0x01010101 : 0x00010001;
  for (long group = 0; group < p->groups; ++group) {
    igemm_pack_a(p->isa, (uint32_t *)packed + group * group_units(p), (const uint8_t *)weights + group * rows * p->k,
                 p->k, 1, rows, p->k, p->panel_height, igemm_reading(p->isa, p->w_is_signed, 1), sums + group * rows);
  }
}

// ── The workspace ───────────────────────────────────────────────────────────
static long copy_bytes(const lig_conv_integer *p) {
  return gemm_round_up(p->batch * p->channels * p->padded_h * p->padded_w + slack, 64);
}
static long line_bytes(const lig_conv_integer *p) { return p->columns_per_task + slack; }
static long worker_bytes(const lig_conv_integer *p) {
  return gemm_round_up(4 * line_bytes(p) + 4 * p->columns_per_task * p->units, 64);
}
static long packed_bytes(const lig_conv_integer *p) {
  return p->w_is_packed ? 0 : gemm_round_up(lig_conv_integer_packed_size(p), 64);
}

long lig_conv_integer_workspace(const lig_conv_integer *p, int threads) {
  return copy_bytes(p) + packed_bytes(p) + threads * worker_bytes(p);
}

typedef struct {
  const lig_conv_integer *plan;
  const uint8_t *x;
  const uint32_t *w;
  const uint8_t *x_zero, *w_zero;
  uint8_t *copy, *buffers;
  int *y;
} conv_job;

static int zero_of(const uint8_t *zero, long index, int is_signed, int shift) {
  return (!zero ? 0 : is_signed ? (int8_t)zero[index] : zero[index]) - shift;
}

static void copy_task(void *context, long plane, int worker) {
  (void)worker;
  const conv_job *job = context;
  const lig_conv_integer *p = job->plan;
  const uint8_t flip = igemm_reading(p->isa, p->x_is_signed, 0).flip;
  const int padding = (job->x_zero ? job->x_zero[0] : 0) ^ flip;
  const uint8_t *from = job->x + plane * p->height * p->width;
  uint8_t *to = job->copy + plane * p->padded_h * p->padded_w;
  const long right = p->padded_w - p->pad_left - p->width;
  memset(to, padding, (size_t)(p->pad_top * p->padded_w));
  to += p->pad_top * p->padded_w;
  for (long row = 0; row < p->height; ++row, from += p->width) {
    memset(to, padding, (size_t)p->pad_left);
    to += p->pad_left;
    if (flip) for (long i = 0; i < p->width; ++i) to[i] = from[i] ^ flip;
    else memcpy(to, from, (size_t)p->width);
    to += p->width;
    memset(to, padding, (size_t)right);
    to += right;
  }
  memset(to, padding, (size_t)((p->padded_h - p->pad_top - p->height) * p->padded_w));
}

/// Pixels of a tile that lie in one row: where they are read from (for the first tap), and how many.
typedef struct {
  long from, to, count;
} pixel_run;

static long find_runs(const lig_conv_integer *p, long first, long count, pixel_run *runs) {
  long found = 0;
  for (long done = 0; done < count;) {
    long row = (first + done) / p->line_w, column = (first + done) % p->line_w;
    long length = gemm_min(p->line_w - column, count - done);
    runs[found++] = (pixel_run){row * p->stride_h * p->padded_w + column * p->stride_w, done, length};
    done += length;
  }
  return found;
}

// Copies whole vectors: what goes past a run is overwritten by the next one, or lies in the slack.
static inline void gather(uint8_t *line, const uint8_t *x, const pixel_run *runs, long count, long stride) {
  for (long r = 0; r < count; ++r) {
    const uint8_t *from = x + runs[r].from;
    uint8_t *to = line + runs[r].to;
    const long length = runs[r].count;
#if LIG_X86
    if (stride == 1) {
      for (long i = 0; i < length; i += 16) {
        _mm_storeu_si128((__m128i *)(to + i), _mm_loadu_si128((const __m128i *)(from + i)));
      }
      continue;
    }
    if (stride == 2) {
      const __m128i even = _mm_set1_epi16(0xff);
      for (long i = 0; i < length; i += 16) {
        __m128i low = _mm_and_si128(_mm_loadu_si128((const __m128i *)(from + 2 * i)), even);
        __m128i high = _mm_and_si128(_mm_loadu_si128((const __m128i *)(from + 2 * i + 16)), even);
        _mm_storeu_si128((__m128i *)(to + i), _mm_packus_epi16(low, high));
      }
      continue;
    }
#endif
    for (long i = 0; i < length; ++i) to[i] = from[i * stride];
  }
}

static void gather_columns(
    const conv_job *job, const uint8_t *x, long first, long count, uint8_t *buffer, uint32_t *packed) {
  static const uint8_t nothing[most_columns + slack];
  const lig_conv_integer *p = job->plan;
  pixel_run runs[most_columns];
  const long found = find_runs(p, first, count, runs), unit = igemm_unit(p->isa), width = igemm_width(p->isa);
  const int is_signed = igemm_reading(p->isa, p->x_is_signed, 0).is_signed;
  long channel = 0, ky = 0, kx = 0;
  for (long u = 0; u < p->units; ++u) {
    const uint8_t *lines[4];
    for (long q = 0; q < unit; ++q) {
      if (u * unit + q >= p->k) {
        lines[q] = nothing;
        continue;
      }
      uint8_t *line = buffer + q * line_bytes(p);
      lines[q] = line;
      const uint8_t *from = x + (channel * p->padded_h + ky * p->dilation_h) * p->padded_w + kx * p->dilation_w;
      if (found == 1 && p->stride_w == 1) lines[q] = from + runs[0].from;  // as it lies
      else gather(line, from, runs, found, p->stride_w);
      if (++kx == p->kernel_w) {
        kx = 0;
        if (++ky == p->kernel_h) ky = 0, ++channel;
      }
    }
    igemm_pack_lines(p->isa, packed + u * width, p->units * width, lines, count, is_signed);
  }
}

static void conv_task(void *context, long index, int worker) {
  const conv_job *job = context;
  const lig_conv_integer *p = job->plan;
  const long row_task = index % p->row_tasks, column_task = index / p->row_tasks % p->column_tasks;
  const long image_group = index / (p->row_tasks * p->column_tasks);
  const long image = image_group / p->groups, group = image_group % p->groups;
  const long pixels = p->out_h * p->out_w, first = column_task * p->columns_per_task;
  const long row = row_task * p->rows_per_task, rows = filters_of_group(p), filter = group * rows + row;
  uint8_t *buffer = job->buffers + worker * worker_bytes(p);
  uint32_t *packed = (uint32_t *)(buffer + 4 * line_bytes(p));
  igemm_block block = {
    .units = p->units,
    .a = job->w + group * group_units(p) + row * p->units,
    .height = p->panel_height,
    .b = packed,
    .b_panel = igemm_width(p->isa) * p->units,
    .c = job->y + (image * p->filters + filter) * pixels + first,
    .c_row = pixels,
    .rows = gemm_min(p->rows_per_task, rows - row),
    .columns = gemm_min(p->columns_per_task, pixels - first),
    .b_is_unsigned = 1,
  };
  int32_t row_zero[most_filters + 16], column_sum[most_columns + 32], column_zero[most_columns + 32];
  const int w_shift = igemm_reading(p->isa, p->w_is_signed, 1).shift;
  const int x_zero = zero_of(job->x_zero, 0, p->x_is_signed, igemm_reading(p->isa, p->x_is_signed, 0).shift);
  int any = 0;
  for (long i = 0; i < block.rows; ++i) {
    any |= row_zero[i] = zero_of(job->w_zero, p->w_zero_per_filter ? filter + i : 0, p->w_is_signed, w_shift);
  }
  const uint8_t *x = job->copy + (image * p->channels + group * (p->channels / p->groups)) * p->padded_h * p->padded_w;
  gather_columns(job, x, first, block.columns, buffer, packed);
  if (x_zero) {
    for (long j = 0; j < block.columns; ++j) column_zero[j] = x_zero;
    block.column_zero = column_zero;
    block.row_sum = sums_of(p, job->w) + filter;
  }
  if (any) {
    igemm_block sum = block;
    sum.a = ones_of(p, job->w);
    sum.height = 1;
    sum.rows = 1;
    sum.c = column_sum;
    sum.column_zero = NULL;
    igemm_run(p->isa, &sum);
    for (long j = 0; j < block.columns; ++j) {
      column_sum[j] = (int32_t)((uint32_t)column_sum[j] - (uint32_t)p->k * (uint32_t)x_zero);
    }
    block.row_zero = row_zero;
    block.column_sum = column_sum;
  }
  igemm_run(p->isa, &block);
}

void lig_conv_integer_run(
    const lig_conv_integer *p, lig_pool *pool, const void *x, const void *w, const void *x_zero, const void *w_zero,
    int *y, void *workspace) {
  conv_job job = {.plan = p, .x = x, .w = w, .x_zero = x_zero, .w_zero = w_zero, .y = y, .copy = workspace};
  uint8_t *packed = job.copy + copy_bytes(p);
  job.buffers = packed + packed_bytes(p);
  if (!p->w_is_packed) {
    lig_conv_integer_pack(p, w, packed);
    job.w = (const uint32_t *)packed;
  }
  lig_parallel(pool, p->batch * p->channels, copy_task, &job);
  lig_parallel(pool, p->batch * p->groups * p->column_tasks * p->row_tasks, conv_task, &job);
}
