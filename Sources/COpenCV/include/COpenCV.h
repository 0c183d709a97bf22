#ifndef LIGATURE_COPENCV_H
#define LIGATURE_COPENCV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// A C face of OpenCV's core and imgproc. Exceptions end here: every function returns NULL, or a message that
// stays valid until this thread's next call. Nothing is allocated for the caller except where a release
// function is named. Destinations are written in place: their size and type are the caller's, checked here.

typedef enum { ligature_cv_u8 = 0, ligature_cv_f32 = 1 } ligature_cv_depth;

/// Interleaved rows without gaps: height x width x channels scalars.
typedef struct {
  int32_t width;
  int32_t height;
  int32_t channels;
  ligature_cv_depth depth;
  void *data;
} ligature_cv_image;

/// `count` pairs x, y: float where `is_float`, else int32.
typedef struct {
  const void *coordinates;
  size_t count;
  int32_t is_float;
} ligature_cv_points;

typedef struct {
  float x, y, width, height, angle;
} ligature_cv_rotated_rectangle;

/// Contour i is the pairs points[ends[i - 1]] up to points[ends[i]].
typedef struct {
  int32_t *points;
  size_t *ends;
  size_t count;
} ligature_cv_contours;

typedef struct {
  int32_t kind;  // OpenCV's BorderTypes.
  double value[4];
} ligature_cv_border;

typedef enum {
  ligature_cv_rotate_clockwise = 0,
  ligature_cv_rotate_half = 1,
  ligature_cv_rotate_counterclockwise = 2,
  ligature_cv_flip_horizontal = 3,
  ligature_cv_flip_vertical = 4,
  ligature_cv_transpose = 5,
} ligature_cv_turn;

/// The version of the library that is running, such as "4.6.0".
const char *ligature_cv_version(void);

// Geometry of images. `interpolation` takes OpenCV's InterpolationFlags.
const char *ligature_cv_resize(ligature_cv_image source, ligature_cv_image destination, int32_t interpolation);
const char *ligature_cv_warp_perspective(ligature_cv_image source, ligature_cv_image destination,
                                         const double matrix[9], int32_t interpolation, ligature_cv_border border);
const char *ligature_cv_warp_affine(ligature_cv_image source, ligature_cv_image destination, const double matrix[6],
                                    int32_t interpolation, ligature_cv_border border);
const char *ligature_cv_turn_image(ligature_cv_image source, ligature_cv_image destination, ligature_cv_turn turn);
const char *ligature_cv_pad(ligature_cv_image source, ligature_cv_image destination, int32_t top, int32_t left,
                            ligature_cv_border border);
/// `code` takes OpenCV's ColorConversionCodes.
const char *ligature_cv_convert_color(ligature_cv_image source, ligature_cv_image destination, int32_t code);
/// Grows bright areas by a full rectangle of that size, anchored as OpenCV does by default.
const char *ligature_cv_dilate(ligature_cv_image source, ligature_cv_image destination, int32_t width, int32_t height);
const char *ligature_cv_erode(ligature_cv_image source, ligature_cv_image destination, int32_t width, int32_t height);
/// Mirrors what lies outside around the edge pixel. `sigma` is in pixels.
const char *ligature_cv_gaussian_blur(ligature_cv_image source, ligature_cv_image destination, double sigma);
/// Correlation with a kernel of that size, row-major; edge pixels are repeated outside.
const char *ligature_cv_filter(ligature_cv_image source, ligature_cv_image destination, const float *kernel,
                               int32_t width, int32_t height);
/// Mean by channel over the pixels whose mask is not zero; a mask without data counts them all.
const char *ligature_cv_mean(ligature_cv_image source, ligature_cv_image mask, double mean[4]);

// Matrices, row-major.
const char *ligature_cv_perspective_transform(const float source[8], const float destination[8], double matrix[9]);
const char *ligature_cv_affine_transform(const float source[6], const float destination[6], double matrix[6]);
const char *ligature_cv_rotation_matrix(float x, float y, double degrees, double scale, double matrix[6]);
const char *ligature_cv_invert3(const double matrix[9], double inverse[9]);

// Contours and point sets. `mode` takes RetrievalModes, `method` ContourApproximationModes.
const char *ligature_cv_find_contours(ligature_cv_image image, int32_t mode, int32_t method,
                                      ligature_cv_contours *contours);
void ligature_cv_release_contours(ligature_cv_contours *contours);
const char *ligature_cv_min_area_rect(ligature_cv_points points, ligature_cv_rotated_rectangle *rectangle);
const char *ligature_cv_box_points(ligature_cv_rotated_rectangle rectangle, float corners[8]);
/// Writes at most `points.count` pairs of the same type to `hull`.
const char *ligature_cv_convex_hull(ligature_cv_points points, void *hull, size_t *count);
const char *ligature_cv_approximate(ligature_cv_points points, double epsilon, int32_t closed, void *result,
                                    size_t *count);
const char *ligature_cv_arc_length(ligature_cv_points points, int32_t closed, double *length);
const char *ligature_cv_contour_area(ligature_cv_points points, double *area);
/// Positive inside, negative outside: the distance in pixels, or only its sign when `measured` is 0.
const char *ligature_cv_point_in_polygon(ligature_cv_points points, float x, float y, int32_t measured,
                                         double *distance);

#ifdef __cplusplus
}
#endif

#endif
