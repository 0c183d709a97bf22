#ifndef LIGATURE_CJPEG_H
#define LIGATURE_CJPEG_H

#include <stddef.h>
#include <stdint.h>

// libjpeg reports errors by a longjmp, which must not cross Swift frames: it stays inside these functions.
// Every function returns NULL, or a message that stays valid until this thread's next call.

typedef struct {
  int32_t width;
  int32_t height;
  int32_t components;  // In the file: 1 grey, 3 colour, 4 CMYK or YCCK.
  int32_t channels;    // Of the decoded pixels: 1 or 3.
} ligature_jpeg_header;

typedef struct {
  int32_t maximum_scans;
  long maximum_memory;  // Bytes that libjpeg may take for coefficients and rows.
} ligature_jpeg_limits;

const char *ligature_jpeg_read_header(const uint8_t *bytes, size_t count, ligature_jpeg_header *header);

/// Writes height x width x channels bytes, interleaved, RGB. `capacity` must be exactly that many, or, for a colour
/// picture that is not CMYK, height x width for its brightness alone, as the file stores it.
/// Missing or damaged image data is an error; harmless oddities of the markers are not.
const char *ligature_jpeg_decode(const uint8_t *bytes, size_t count, ligature_jpeg_limits limits,
                                 uint8_t *pixels, size_t capacity);

/// `channels` is 1 or 3 (RGB). On success `*bytes` is to be released with `ligature_jpeg_free`.
const char *ligature_jpeg_encode(const uint8_t *pixels, int32_t width, int32_t height, int32_t channels,
                                 int32_t quality, uint8_t **bytes, size_t *count);

void ligature_jpeg_free(uint8_t *bytes);

#endif
