#include "Guard.hpp"

#include <cstdlib>
#include <cstring>
#include <vector>

#include <opencv2/imgproc.hpp>

using ligature::guarded;
using ligature::view;

const char *ligature_cv_find_contours(ligature_cv_image image, int32_t mode, int32_t method,
                                      ligature_cv_contours *contours) {
  *contours = {nullptr, nullptr, 0};
  return guarded([&] {
    std::vector<std::vector<cv::Point>> found;
    cv::findContours(view(image), found, mode, method);
    size_t total = 0;
    for (const auto &contour : found) total += contour.size();
    auto *points = static_cast<int32_t *>(std::malloc(sizeof(int32_t) * 2 * (total + 1)));
    auto *ends = static_cast<size_t *>(std::malloc(sizeof(size_t) * (found.size() + 1)));
    if (points == nullptr || ends == nullptr) {
      std::free(points);
      std::free(ends);
      throw std::bad_alloc();
    }
    size_t next = 0;
    for (size_t i = 0; i < found.size(); i++) {
      for (const auto &point : found[i]) {
        points[2 * next] = point.x;
        points[2 * next + 1] = point.y;
        next++;
      }
      ends[i] = next;
    }
    *contours = {points, ends, found.size()};
  });
}

void ligature_cv_release_contours(ligature_cv_contours *contours) {
  std::free(contours->points);
  std::free(contours->ends);
  *contours = {nullptr, nullptr, 0};
}

const char *ligature_cv_min_area_rect(ligature_cv_points points, ligature_cv_rotated_rectangle *rectangle) {
  return guarded([&] {
    const cv::RotatedRect found = cv::minAreaRect(view(points));
    *rectangle = {found.center.x, found.center.y, found.size.width, found.size.height, found.angle};
  });
}

const char *ligature_cv_box_points(ligature_cv_rotated_rectangle rectangle, float corners[8]) {
  return guarded([&] {
    cv::Point2f points[4];
    cv::RotatedRect({rectangle.x, rectangle.y}, {rectangle.width, rectangle.height}, rectangle.angle).points(points);
    for (int i = 0; i < 4; i++) {
      corners[2 * i] = points[i].x;
      corners[2 * i + 1] = points[i].y;
    }
  });
}

namespace {

/// Copies points, eight bytes each, to the caller's block of `capacity` points.
void give(const cv::Mat &points, size_t capacity, void *result, size_t *count) {
  const size_t total = points.total();
  if (total > capacity) CV_Error(cv::Error::StsOutOfRange, "more points than there is room for");
  if (total > 0) std::memcpy(result, points.data, total * 8);
  *count = total;
}

}  // namespace

const char *ligature_cv_convex_hull(ligature_cv_points points, void *hull, size_t *count) {
  return guarded([&] {
    cv::Mat found;
    cv::convexHull(view(points), found);
    give(found, points.count, hull, count);
  });
}

const char *ligature_cv_approximate(ligature_cv_points points, double epsilon, int32_t closed, void *result,
                                    size_t *count) {
  return guarded([&] {
    cv::Mat found;
    cv::approxPolyDP(view(points), found, epsilon, closed != 0);
    give(found, points.count, result, count);
  });
}

const char *ligature_cv_arc_length(ligature_cv_points points, int32_t closed, double *length) {
  return guarded([&] { *length = cv::arcLength(view(points), closed != 0); });
}

const char *ligature_cv_contour_area(ligature_cv_points points, double *area) {
  return guarded([&] { *area = cv::contourArea(view(points)); });
}

const char *ligature_cv_point_in_polygon(ligature_cv_points points, float x, float y, int32_t measured,
                                         double *distance) {
  return guarded([&] { *distance = cv::pointPolygonTest(view(points), cv::Point2f(x, y), measured != 0); });
}
