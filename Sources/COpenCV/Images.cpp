#include "Guard.hpp"

#include <opencv2/imgproc.hpp>

using ligature::guarded;
using ligature::require_in_place;
using ligature::scalar;
using ligature::view;

namespace ligature {

const char *keep_message(const char *text) {
  static thread_local std::string message;
  message = text;
  return message.c_str();
}

}  // namespace ligature

const char *ligature_cv_version(void) { return CV_VERSION; }

const char *ligature_cv_resize(ligature_cv_image source, ligature_cv_image destination, int32_t interpolation) {
  return guarded([&] {
    cv::Mat result = view(destination);
    cv::resize(view(source), result, result.size(), 0, 0, interpolation);
    require_in_place(result, destination);
  });
}

const char *ligature_cv_warp_perspective(ligature_cv_image source, ligature_cv_image destination,
                                         const double matrix[9], int32_t interpolation, ligature_cv_border border) {
  return guarded([&] {
    cv::Mat result = view(destination);
    const cv::Matx33d transform(matrix);
    cv::warpPerspective(view(source), result, transform, result.size(), interpolation, border.kind,
                        scalar(border.value));
    require_in_place(result, destination);
  });
}

const char *ligature_cv_warp_affine(ligature_cv_image source, ligature_cv_image destination, const double matrix[6],
                                    int32_t interpolation, ligature_cv_border border) {
  return guarded([&] {
    cv::Mat result = view(destination);
    const cv::Matx23d transform(matrix);
    cv::warpAffine(view(source), result, transform, result.size(), interpolation, border.kind, scalar(border.value));
    require_in_place(result, destination);
  });
}

const char *ligature_cv_gaussian_blur(ligature_cv_image source, ligature_cv_image destination, double sigma) {
  return guarded([&] {
    cv::Mat result = view(destination);
    cv::GaussianBlur(view(source), result, cv::Size(), sigma);
    require_in_place(result, destination);
  });
}

const char *ligature_cv_filter(ligature_cv_image source, ligature_cv_image destination, const float *kernel,
                               int32_t width, int32_t height) {
  return guarded([&] {
    cv::Mat result = view(destination);
    const cv::Mat weights(height, width, CV_32F, const_cast<float *>(kernel));
    cv::filter2D(view(source), result, -1, weights, cv::Point(-1, -1), 0, cv::BORDER_REPLICATE);
    require_in_place(result, destination);
  });
}

const char *ligature_cv_turn_image(ligature_cv_image source, ligature_cv_image destination, ligature_cv_turn turn) {
  return guarded([&] {
    cv::Mat result = view(destination);
    switch (turn) {
      case ligature_cv_rotate_clockwise: cv::rotate(view(source), result, cv::ROTATE_90_CLOCKWISE); break;
      case ligature_cv_rotate_half: cv::rotate(view(source), result, cv::ROTATE_180); break;
      case ligature_cv_rotate_counterclockwise: cv::rotate(view(source), result, cv::ROTATE_90_COUNTERCLOCKWISE); break;
      case ligature_cv_flip_horizontal: cv::flip(view(source), result, 1); break;
      case ligature_cv_flip_vertical: cv::flip(view(source), result, 0); break;
      case ligature_cv_transpose: cv::transpose(view(source), result); break;
    }
    require_in_place(result, destination);
  });
}

const char *ligature_cv_pad(ligature_cv_image source, ligature_cv_image destination, int32_t top, int32_t left,
                            ligature_cv_border border) {
  return guarded([&] {
    cv::Mat result = view(destination);
    const int bottom = destination.height - source.height - top;
    const int right = destination.width - source.width - left;
    cv::copyMakeBorder(view(source), result, top, bottom, left, right, border.kind, scalar(border.value));
    require_in_place(result, destination);
  });
}

const char *ligature_cv_convert_color(ligature_cv_image source, ligature_cv_image destination, int32_t code) {
  return guarded([&] {
    cv::Mat result = view(destination);
    cv::cvtColor(view(source), result, code);
    require_in_place(result, destination);
  });
}

const char *ligature_cv_dilate(ligature_cv_image source, ligature_cv_image destination, int32_t width,
                               int32_t height) {
  return guarded([&] {
    cv::Mat result = view(destination);
    cv::dilate(view(source), result, cv::Mat::ones(height, width, CV_8U));
    require_in_place(result, destination);
  });
}

const char *ligature_cv_erode(ligature_cv_image source, ligature_cv_image destination, int32_t width, int32_t height) {
  return guarded([&] {
    cv::Mat result = view(destination);
    cv::erode(view(source), result, cv::Mat::ones(height, width, CV_8U));
    require_in_place(result, destination);
  });
}

const char *ligature_cv_mean(ligature_cv_image source, ligature_cv_image mask, double mean[4]) {
  return guarded([&] {
    const cv::Scalar result =
        mask.data == nullptr ? cv::mean(view(source)) : cv::mean(view(source), view(mask));
    for (int channel = 0; channel < 4; channel++) mean[channel] = result[channel];
  });
}

// ── Matrices ────────────────────────────────────────────────────────────────

namespace {

template <int Rows, int Columns>
void store(const cv::Mat &matrix, double *out) {
  const cv::Matx<double, Rows, Columns> dense = matrix;
  for (int i = 0; i < Rows * Columns; i++) out[i] = dense.val[i];
}

}  // namespace

const char *ligature_cv_perspective_transform(const float source[8], const float destination[8], double matrix[9]) {
  return guarded([&] {
    store<3, 3>(cv::getPerspectiveTransform(reinterpret_cast<const cv::Point2f *>(source),
                                            reinterpret_cast<const cv::Point2f *>(destination)),
                matrix);
  });
}

const char *ligature_cv_affine_transform(const float source[6], const float destination[6], double matrix[6]) {
  return guarded([&] {
    store<2, 3>(cv::getAffineTransform(reinterpret_cast<const cv::Point2f *>(source),
                                       reinterpret_cast<const cv::Point2f *>(destination)),
                matrix);
  });
}

const char *ligature_cv_rotation_matrix(float x, float y, double degrees, double scale, double matrix[6]) {
  return guarded([&] { store<2, 3>(cv::getRotationMatrix2D(cv::Point2f(x, y), degrees, scale), matrix); });
}

const char *ligature_cv_invert3(const double matrix[9], double inverse[9]) {
  return guarded([&] {
    cv::Mat result;
    if (cv::invert(cv::Mat(3, 3, CV_64F, const_cast<double *>(matrix)), result) == 0) {
      CV_Error(cv::Error::StsBadArg, "the matrix is singular");
    }
    store<3, 3>(result, inverse);
  });
}
