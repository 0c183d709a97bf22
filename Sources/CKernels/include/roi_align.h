#ifndef LIG_ROI_ALIGN_H
#define LIG_ROI_ALIGN_H

#include <stdint.h>

#include "pool.h"

enum { LIG_ROI_MOST_SAMPLES = 1 << 20, LIG_ROI_MOST_PIXELS = 1 << 24 };

/// RoiAlign: x[images, channels, height, width], boxes[count, 4] (x1, y1, x2, y2), the image of each box
/// → y[count, channels, out_height, out_width]. float32.
/// Sizes are positive (`boxes` may be 0) and below `LIG_ROI_MOST_PIXELS`, those of bins at most `LIG_ROI_MOST_SAMPLES`.
typedef struct {
  long images, channels, height, width;
  long boxes, out_height, out_width;
  /// Samples along each axis of a bin; 0: about one a pixel.
  long sampling_ratio;
  float spatial_scale;
  /// Pixels have their centres at halves; else boxes are at least 1 pixel large.
  int half_pixel;
  /// The largest of the samples' weighted corners, as ONNX defines it, instead of the mean.
  int is_max;
} lig_roi_align;

enum {
  LIG_ROI_FITS,
  /// The box is of an image that there is not.
  LIG_ROI_NO_IMAGE,
  LIG_ROI_NOT_FINITE,
  /// An axis of the box would take more samples than `LIG_ROI_MOST_SAMPLES`.
  LIG_ROI_TOO_LARGE,
};

/// Why nothing was computed, and for which box.
typedef struct {
  int kind;
  long box;
} lig_roi_problem;

/// Bytes, for that many threads.
long lig_roi_align_workspace(const lig_roi_align *plan, int threads);
lig_roi_problem lig_roi_align_run(
    const lig_roi_align *plan, lig_pool *pool, const float *x, const float *boxes, const int64_t *images, float *y,
    void *workspace);
/// From the gradient g of y that of x. `x` is read for `is_max` only, where the first of equal values takes all.
lig_roi_problem lig_roi_align_gradient_run(
    const lig_roi_align *plan, lig_pool *pool, const float *g, const float *boxes, const int64_t *images,
    const float *x, float *dx, void *workspace);

#endif
