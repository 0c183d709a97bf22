// Where GridSample and its derivative look: from the grid's -1...1 to pixels, and what lies outside.
#ifndef LIG_GRID_PLACE_H
#define LIG_GRID_PLACE_H

#include <math.h>

#include "tasks.h"
#include "resize.h"

static inline float denormalize(float v, long n, int align) {
  return align ? (v + 1.0f) * 0.5f * (float)(n - 1) : ((v + 1.0f) * (float)n - 1.0f) * 0.5f;
}

// Mirrors at the centres (align) or edges of the first and last pixel.
static inline float reflect(float v, long n, int align) {
  float low = align ? 0.0f : -0.5f, high = align ? (float)(n - 1) : (float)n - 0.5f, range = high - low;
  if (range <= 0.0f || !(fabsf(v) < 1e9f)) return 0.0f;
  float away = fmodf(fabsf(v - low), 2.0f * range);
  return low + (away > range ? 2.0f * range - away : away);
}

// An integer position under the padding rule; -1: zero.
static inline long place(float v, long n, int padding, int align) {
  if (!(v > -1e9f && v < 1e9f)) return padding == LIG_GRID_BORDER && v > 0 ? n - 1 : padding == LIG_GRID_ZEROS ? -1 : 0;
  if (padding == LIG_GRID_REFLECTION) v = reflect(v, n, align);
  long at = (long)v;
  if (padding == LIG_GRID_ZEROS) return at >= 0 && at < n ? at : -1;
  return lig_max(0, lig_min(at, n - 1));
}

// Keys' cubic convolution: the weights of four neighbours, for a place t past the second.
static inline void cubic(float t, float *w) {
  const float a = -0.75f;
  float s = 1.0f - t;
  w[0] = a * (t - 2.0f * t * t + t * t * t);
  w[1] = (a + 2.0f) * t * t * t - (a + 3.0f) * t * t + 1.0f;
  w[2] = (a + 2.0f) * s * s * s - (a + 3.0f) * s * s + 1.0f;
  w[3] = a * (s - 2.0f * s * s + s * s * s);
}

// Their derivatives by t.
static inline void cubic_slopes(float t, float *w) {
  const float a = -0.75f;
  float s = 1.0f - t;
  w[0] = a * (1.0f - 4.0f * t + 3.0f * t * t);
  w[1] = 3.0f * (a + 2.0f) * t * t - 2.0f * (a + 3.0f) * t;
  w[2] = 2.0f * (a + 3.0f) * s - 3.0f * (a + 2.0f) * s * s;
  w[3] = -a * (1.0f - 4.0f * s + 3.0f * s * s);
}

// The derivative of `reflect`.
static inline float reflect_slope(float v, long n, int align) {
  float low = align ? 0.0f : -0.5f, high = align ? (float)(n - 1) : (float)n - 0.5f, range = high - low;
  if (range <= 0.0f || !(fabsf(v) < 1e9f)) return 0.0f;
  float sign = v < low ? -1.0f : 1.0f;
  return fmodf(fabsf(v - low), 2.0f * range) > range ? -sign : sign;
}

#endif
