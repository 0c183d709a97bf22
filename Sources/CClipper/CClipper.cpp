#include "CClipper.h"

#include <cstdlib>
#include <exception>
#include <string>

#include <polyclipping/clipper.hpp>

namespace {

thread_local std::string message;

/// Copies Clipper's paths into two plain blocks.
void flatten(const ClipperLib::Paths &paths, ligature_clipper_paths *result) {
  size_t total = 0;
  for (const auto &path : paths) total += path.size();
  auto *points = static_cast<ligature_clipper_point *>(std::malloc(sizeof(ligature_clipper_point) * (total + 1)));
  auto *ends = static_cast<size_t *>(std::malloc(sizeof(size_t) * (paths.size() + 1)));
  if (points == nullptr || ends == nullptr) {
    std::free(points);
    std::free(ends);
    throw std::bad_alloc();
  }
  size_t next = 0;
  for (size_t i = 0; i < paths.size(); i++) {
    for (const auto &point : paths[i]) points[next++] = {point.X, point.Y};
    ends[i] = next;
  }
  *result = {points, ends, paths.size()};
}

}  // namespace

const char *ligature_clipper_offset(const ligature_clipper_point *polygon, size_t count, double distance,
                                    ligature_clipper_join join, double miter_limit, double arc_tolerance,
                                    ligature_clipper_paths *result) {
  *result = {nullptr, nullptr, 0};
  try {
    ClipperLib::Path path;
    path.reserve(count);
    for (size_t i = 0; i < count; i++) path.emplace_back(polygon[i].x, polygon[i].y);
    ClipperLib::ClipperOffset offset(miter_limit, arc_tolerance);
    const auto kind = join == ligature_join_round   ? ClipperLib::jtRound
                      : join == ligature_join_miter ? ClipperLib::jtMiter
                                                    : ClipperLib::jtSquare;
    offset.AddPath(path, kind, ClipperLib::etClosedPolygon);
    ClipperLib::Paths paths;
    offset.Execute(paths, distance);
    flatten(paths, result);
    return nullptr;
  } catch (const std::exception &error) {
    message = error.what();
  } catch (...) {
    message = "an unknown error of Clipper";
  }
  return message.c_str();
}

void ligature_clipper_release(ligature_clipper_paths *paths) {
  std::free(paths->points);
  std::free(paths->ends);
  *paths = {nullptr, nullptr, 0};
}
