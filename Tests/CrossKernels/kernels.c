// Runs kernels on small tensors that meet every edge of their loops, and writes the results:
//   kernels write FILE FEATURES   with only these features of the processor (see cpu.h; 0: the scalar twins)
//   kernels compare FILE FILE     fails where two such files differ
// The files of one machine's instruction sets, and of another architecture, must agree: see `run`.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CKernels.h"

enum { NAME = 48, MOST = 1 << 20 };
static FILE *out;
static lig_pool *pool;
static float *x, *w, *y;
static void *packed, *scratch;

static void record(const char *name, long variant, const float *values, long count) {
  char line[NAME] = {0};
  snprintf(line, sizeof line, "%s %ld", name, variant);
  fwrite(line, 1, sizeof line, out);
  fwrite(&count, sizeof count, 1, out);
  fwrite(values, sizeof *values, (size_t)count, out);
}

static void fill(float *to, long count, uint64_t state) {
  for (long i = 0; i < count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    to[i] = (float)(int32_t)(state >> 40) / (float)(1 << 22) - 2.0f;
  }
}

// A product whose library is not at hand for the other architecture.
#include "cblas.h"
void openblas_set_num_threads(int threads) { (void)threads; }
void cblas_sgemm(
    int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
    float beta, float *c, int ldc) {
  (void)order;
  for (int i = 0; i < m; i++) {
    for (int j = 0; j < n; j++) {
      float sum = 0;
      for (int l = 0; l < k; l++) sum += (ta == 111 ? a[i * lda + l] : a[l * lda + i]) * (tb == 111 ? b[l * ldb + j] : b[j * ldb + l]);
      c[i * ldc + j] = alpha * sum + (beta != 0 ? beta * c[i * ldc + j] : 0);
    }
  }
}

static void elementwise(void) {
  for (int op = 0; op < LIG_UNARY_COUNT; op++) {
    lig_unary_f32(op, x, y, 1003, 0.25f, 1.5f, pool);
    record("unary", op, y, 1003);
  }
  long shapes[2][2][3] = {{{3, 5, 37}, {3, 5, 37}}, {{3, 5, 37}, {1, 5, 1}}}, shape[3] = {3, 5, 37};
  for (int form = 0; form < 2; form++) {
    lig_broadcast plan;
    lig_broadcast_prepare(&plan, 2, 3, shape, &shapes[form][0][0]);
    for (int op = LIG_BINARY_ADD; op <= LIG_BINARY_PRELU; op++) {
      if (!lig_binary_knows(op, 1)) continue;
      lig_binary(op, 1, &plan, x, w, y, pool);
      record("binary", 100 * form + op, y, 3 * 5 * 37);
    }
  }
}

static void reductions(void) {
  long shapes[][3] = {{7, 3, 5}, {2, 40, 1}, {3, 37, 70}, {1, 9, 4100}, {33, 600, 2}};
  for (int s = 0; s < 5; s++) {
    for (int axes = 1; axes < 8; axes++) {
      unsigned char reduced[3] = {axes & 1, (axes >> 1) & 1, (axes >> 2) & 1};
      lig_reduce plan;
      lig_reduce_prepare(&plan, 3, shapes[s], reduced);
      for (int op = 0; op < LIG_REDUCE_COUNT; op++) {
        if (op == LIG_REDUCE_PROD || op == LIG_REDUCE_LOG_SUM) continue;
        lig_reduce_run(op, 1, &plan, x, y, pool);
        record("reduce", s * 1000 + axes * 100 + op, y, plan.outputs);
      }
    }
    long at[4100];
    lig_arg_extreme(1, s & 1, 0, x, at, shapes[s][0], shapes[s][1] * shapes[s][2], 1, pool);
    for (long i = 0; i < shapes[s][0]; i++) y[i] = (float)at[i];
    record("arg", s, y, shapes[s][0]);
    lig_softmax(pool, x, shapes[s][0], shapes[s][1], shapes[s][2], s & 1, y);
    record("softmax", s, y, shapes[s][0] * shapes[s][1] * shapes[s][2]);
    lig_layer_norm(pool, x, shapes[s][0], shapes[s][1] * shapes[s][2], w, w + 9000, 1e-5f, y, NULL, NULL);
    record("layer norm", s, y, shapes[s][0] * shapes[s][1] * shapes[s][2]);
    lig_instance_norm(pool, x, shapes[s][0], shapes[s][1], shapes[s][2], w, w + 900, 1e-3f, y);
    record("instance norm", s, y, shapes[s][0] * shapes[s][1] * shapes[s][2]);
  }
}

static void pooling(void) {
  for (int kind = LIG_POOL_MAX; kind <= LIG_POOL_LP; kind++) {
    for (long kernel = 1; kernel <= 9; kernel += 2) {
      for (long stride = 1; stride <= 3; stride++) {
        for (long width = kernel; width < 60; width += 13) {
          lig_pooling p = {.kind = kind, .p = 2, .planes = 5, .input = {1, 11, width}, .kernel = {1, kernel, kernel},
                           .stride = {1, stride, stride}, .dilation = {1, 1, 1}, .pad_begin = {0, kernel / 2, kernel / 2},
                           .pad_end = {0, kernel / 2, kernel / 2}};
          p.output[0] = 1;
          for (int axis = 1; axis < 3; axis++) p.output[axis] = (p.input[axis] + kernel / 2 * 2 - kernel) / stride + 1;
          lig_pooling_run(&p, x, y, scratch, pool);
          record("pooling", kind * 10000 + kernel * 1000 + stride * 100 + width, y, 5 * p.output[1] * p.output[2]);
        }
      }
    }
  }
}

static void moves(void) {
  long shape[3] = {5, 67, 35}, target[3] = {67 * 35, 35, 1};
  long sources[][3] = {{67, 1, 67 * 5}, {1, 5, 5 * 67}, {67 * 35, 1, 67}, {0, 35, 1}};
  for (int s = 0; s < 4; s++) {
    for (long size = 1; size <= 4; size *= 2) {
      lig_copy plan;
      memset(y, 0, 5 * 67 * 35 * 4);
      if (lig_copy_prepare(&plan, size, 3, shape, sources[s], target) == 0) lig_copy_run(&plan, x, y, pool);
      for (long i = 0; i < 5 * 67 * 35 * size; i++) ((float *)packed)[i] = (float)((unsigned char *)y)[i];
      record("copy", s * 10 + size, packed, 5 * 67 * 35 * size);
    }
  }
  static const int types[] = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16};
  for (int t = 0; t < 13; t++) {
    lig_cast(1, types[t], x, packed, 1003, pool);
    lig_cast(types[t], 1, packed, y, 1003, pool);
    record("cast", types[t], y, 1003);
  }
  lig_dynamic_scale to = lig_dynamic_range(x, 1003, pool);
  lig_dynamic_quantize(x, 1003, to, packed, pool);
  for (int i = 0; i < 1003; i++) y[i] = (float)((unsigned char *)packed)[i];
  record("quantize", 0, y, 1003);
  int index[2 * 77];
  for (int i = 0; i < 77; i++) index[2 * i] = i / 2 % 38, index[2 * i + 1] = (i / 2 + 1) % 38;
  lig_resample_axis(x, y, 3, 38, 1, 77, 2, index, w, pool);
  record("resample", 1, y, 3 * 77);
  lig_resample_axis(x, y, 3, 38, 19, 77, 2, index, w, pool);
  record("resample", 19, y, 3 * 19 * 77);
}

static void products(void) {
  for (long m = 1; m < 40; m += 6) {
    for (long n = 1; n < 70; n += 17) {
      for (int is_packed = 0; is_packed < 2; is_packed++) {
        const long k = 3 + m + n;
        lig_matmul p = {.m = m, .n = n, .k = k, .a_row = k, .a_column = 1, .b_row = n, .b_column = 1, .alpha = 1,
                        .b_is_packed = is_packed, .activation = {.kind = LIG_SILU}};
        lig_matmul_prepare(&p);
        if (is_packed) lig_matmul_pack(&p, w, packed);
        lig_matmul_run(&p, pool, x, is_packed ? packed : w, w + 99, y, scratch);
        record("matmul", m * 1000 + n * 10 + is_packed, y, m * n);
      }
    }
  }
  long sizes[][5] = {{4, 6, 3, 1, 1}, {16, 24, 3, 1, 1}, {16, 16, 3, 1, 16}, {8, 12, 5, 2, 4}, {17, 33, 1, 1, 1},
                     {3, 16, 3, 2, 1}, {24, 24, 5, 2, 24}, {32, 40, 3, 1, 1}};
  for (int s = 0; s < 8; s++) {
    for (int winograd = 0; winograd < 2; winograd++) {
      const long k = sizes[s][2], stride = sizes[s][3];
      lig_conv p = {.batch = 2, .channels = sizes[s][0], .height = 19, .width = 37, .filters = sizes[s][1], .kernel_h = k,
                    .kernel_w = k, .out_h = (19 - 1) / stride + 1, .out_w = (37 - 1) / stride + 1, .stride_h = stride,
                    .stride_w = stride, .dilation_h = 1, .dilation_w = 1, .pad_top = k / 2, .pad_left = k / 2,
                    .groups = sizes[s][4], .activation = {.kind = LIG_HARD_SWISH, .alpha = 1.0f / 6, .beta = 0.5f}, .allows_winograd = winograd};
      lig_conv_prepare(&p);
      lig_conv_pack(&p, pool, w, packed);
      lig_conv_run(&p, pool, x, packed, w + 77, NULL, y, scratch);
      record("conv", s * 10 + winograd, y, 2 * p.filters * p.out_h * p.out_w);
    }
    const long k = 2, channels = sizes[s][0] / sizes[s][4] * sizes[s][4];
    lig_conv_transpose t = {.batch = 1, .channels = channels, .height = 7, .width = 21, .filters = sizes[s][4] * 3,
                            .kernel_h = k, .kernel_w = k, .out_h = 14, .out_w = 42, .stride_h = 2, .stride_w = 2,
                            .dilation_h = 1, .dilation_w = 1, .groups = sizes[s][4]};
    lig_conv_transpose_prepare(&t);
    lig_conv_transpose_pack(&t, pool, w, packed);
    lig_conv_transpose_run(&t, pool, x, packed, w + 77, y, scratch);
    record("conv transpose", s, y, t.filters * t.out_h * t.out_w);
  }
}

static void recurrent(void) {
  for (int cell = LIG_CELL_LSTM; cell <= LIG_CELL_RNN; cell++) {
    for (long hidden = 3; hidden < 80; hidden += 19) {
      for (long batch = 1; batch < 16; batch += 7) {
        lig_recurrent p = {.cell = cell, .steps = 5, .batch = batch, .input = 11, .hidden = hidden, .directions = 2,
                           .clip = INFINITY, .linear_before_reset = (int)(hidden & 1), .w_is_packed = 1, .r_is_packed = 1};
        for (int d = 0; d < 2; d++) {
          p.activations[d][0].kind = LIG_GATE_SIGMOID;
          p.activations[d][1].kind = p.activations[d][2].kind = LIG_GATE_TANH;
        }
        lig_recurrent_prepare(&p);
        char *packed_r = (char *)packed + (lig_recurrent_packed_w_size(&p) + 63) / 64 * 64;
        lig_recurrent_pack_w(&p, w, packed);
        lig_recurrent_pack_r(&p, w + 5000, packed_r);
        lig_recurrent_data data = {.x = x, .w = packed, .r = packed_r, .bias = w + 333, .y = y};
        lig_recurrent_run(&p, pool, &data, scratch);
        record("recurrent", cell * 10000 + hidden * 100 + batch, y, 5 * 2 * batch * hidden);
      }
    }
  }
}

/// Differences in units of the largest magnitude of a result. NaN and infinity must be the same.
static int compare(const char *first, const char *second) {
  FILE *a = fopen(first, "rb"), *b = fopen(second, "rb");
  if (!a || !b) return fprintf(stderr, "cannot open %s and %s\n", first, second), 1;
  char name[NAME], other[NAME];
  int failed = 0, results = 0;
  for (long n, m; fread(name, NAME, 1, a) == 1; results++) {
    if (fread(&n, sizeof n, 1, a) != 1 || fread(other, NAME, 1, b) != 1 || fread(&m, sizeof m, 1, b) != 1 || n != m ||
        n > MOST || memcmp(name, other, NAME) || fread(x, 4, (size_t)n, a) != (size_t)n ||
        fread(y, 4, (size_t)n, b) != (size_t)n) {
      return fprintf(stderr, "%s and %s hold different results\n", first, second), 1;
    }
    float scale = 1e-30f, worst = 0;
    for (long i = 0; i < n; i++) if (isfinite(x[i]) && fabsf(x[i]) > scale) scale = fabsf(x[i]);
    for (long i = 0; i < n; i++) {
      if (x[i] == y[i] || (isnan(x[i]) && isnan(y[i]))) continue;
      float off = fabsf(x[i] - y[i]) / scale;
      if (!(off <= worst)) worst = off;
      if (!isfinite(off)) { worst = INFINITY; break; }
    }
    if (worst > 2e-5f) failed++, printf("%s is off by %g of its largest value\n", name, (double)worst);
  }
  printf("%s, %s: %d results, %d differ\n", first, second, results, failed);
  return failed != 0 || results == 0;
}

int main(int count, char **arguments) {
  x = aligned_alloc(64, MOST * 4), w = aligned_alloc(64, MOST * 4), y = aligned_alloc(64, MOST * 4);
  packed = aligned_alloc(64, MOST * 64), scratch = aligned_alloc(64, MOST * 64);
  if (count != 4 || !x || !w || !y || !packed || !scratch) return fprintf(stderr, "usage: see kernels.c\n"), 2;
  if (!strcmp(arguments[1], "compare")) return compare(arguments[2], arguments[3]);
  out = fopen(arguments[2], "wb");
  if (!out) return fprintf(stderr, "cannot write %s\n", arguments[2]), 1;
  lig_cpu_limit((unsigned)strtoul(arguments[3], NULL, 0));
  pool = lig_pool_create(3);
  fill(x, MOST, 1);
  fill(w, MOST, 2);
  for (long i = 0; i < MOST; i++) w[i] *= 0.25f;
  elementwise();
  reductions();
  pooling();
  moves();
  products();
  recurrent();
  lig_pool_destroy(pool);
  return fclose(out) != 0;
}
