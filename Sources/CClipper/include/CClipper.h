#ifndef LIGATURE_CCLIPPER_H
#define LIGATURE_CCLIPPER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int64_t x, y;
} ligature_clipper_point;

/// Paths one after the other: path i is points[ends[i - 1]] up to points[ends[i]].
typedef struct {
  ligature_clipper_point *points;
  size_t *ends;
  size_t count;
} ligature_clipper_paths;

typedef enum { ligature_join_square = 0, ligature_join_round = 1, ligature_join_miter = 2 } ligature_clipper_join;

/// Moves the outline of a closed polygon outwards (inwards when `distance` is negative).
/// Returns NULL, or a message that stays valid until this thread's next call; release the paths.
const char *ligature_clipper_offset(const ligature_clipper_point *polygon, size_t count, double distance,
                                    ligature_clipper_join join, double miter_limit, double arc_tolerance,
                                    ligature_clipper_paths *result);

void ligature_clipper_release(ligature_clipper_paths *paths);

#ifdef __cplusplus
}
#endif

#endif
