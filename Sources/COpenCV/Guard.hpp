#ifndef LIGATURE_COPENCV_GUARD_HPP
#define LIGATURE_COPENCV_GUARD_HPP

#include "COpenCV.h"

#include <exception>
#include <mutex>
#include <string>

#include <opencv2/core.hpp>

namespace ligature {

const char *keep_message(const char *text);

/// Quiet and single-threaded: results do not depend on the machine, errors are returned and not printed.
inline void configure_once() {
  static std::once_flag flag;
  std::call_once(flag, [] {
    cv::setNumThreads(1);
    cv::redirectError([](int, const char *, const char *, const char *, int, void *) { return 0; });
  });
}

/// Runs `body` and turns whatever it throws into a message.
template <typename Body>
const char *guarded(Body body) {
  try {
    configure_once();
    body();
    return nullptr;
  } catch (const cv::Exception &error) {
    return keep_message(error.err.c_str());
  } catch (const std::exception &error) {
    return keep_message(error.what());
  } catch (...) {
    return keep_message("an unknown error of OpenCV");
  }
}

/// A header over the caller's memory; nothing is copied.
inline cv::Mat view(const ligature_cv_image &image) {
  const int depth = image.depth == ligature_cv_u8 ? CV_8U : CV_32F;
  return cv::Mat(image.height, image.width, CV_MAKETYPE(depth, image.channels), image.data);
}

inline cv::Mat view(const ligature_cv_points &points) {
  if (points.count > static_cast<size_t>(INT32_MAX)) CV_Error(cv::Error::StsOutOfRange, "too many points");
  return cv::Mat(static_cast<int>(points.count), 1, points.is_float ? CV_32FC2 : CV_32SC2,
                 const_cast<void *>(points.coordinates));
}

/// OpenCV replaces a destination that does not fit; then the caller's memory would stay unwritten.
inline void require_in_place(const cv::Mat &result, const ligature_cv_image &destination) {
  if (result.data != destination.data) CV_Error(cv::Error::StsUnmatchedSizes, "the destination does not fit the result");
}

inline cv::Scalar scalar(const double value[4]) { return {value[0], value[1], value[2], value[3]}; }

}  // namespace ligature

#endif
