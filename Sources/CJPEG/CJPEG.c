#include "CJPEG.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

typedef struct {
  struct jpeg_error_mgr base;
  jmp_buf escape;
} error_manager;

typedef struct {
  struct jpeg_progress_mgr base;
  int32_t maximum_scans;
} scan_limit;

static _Thread_local char message[JMSG_LENGTH_MAX + 64];

static void fail(j_common_ptr codec) {
  error_manager *manager = (error_manager *)codec->err;
  codec->err->format_message(codec, message);
  longjmp(manager->escape, 1);
}

// Warnings with which part of the picture is missing or wrong. libjpeg would go on and invent grey pixels.
static int damages_the_picture(int code) {
  return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
         code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
}

static void on_message(j_common_ptr codec, int level) {
  if (level < 0 && damages_the_picture(codec->err->msg_code)) fail(codec);
}

static void on_progress(j_common_ptr codec) {
  if (!codec->is_decompressor) return;
  scan_limit *limit = (scan_limit *)codec->progress;
  if (((j_decompress_ptr)codec)->input_scan_number > limit->maximum_scans) {
    snprintf(message, sizeof message, "more than %d scans", (int)limit->maximum_scans);
    longjmp(((error_manager *)codec->err)->escape, 1);
  }
}

static struct jpeg_error_mgr *install(error_manager *manager) {
  struct jpeg_error_mgr *base = jpeg_std_error(&manager->base);
  base->error_exit = fail;
  base->emit_message = on_message;
  return base;
}

// ── Decoding ────────────────────────────────────────────────────────────────

static void open_bytes(j_decompress_ptr codec, const uint8_t *bytes, size_t count) {
  jpeg_create_decompress(codec);
  jpeg_mem_src(codec, bytes, (unsigned long)count);
  jpeg_read_header(codec, TRUE);
}

const char *ligature_jpeg_read_header(const uint8_t *bytes, size_t count, ligature_jpeg_header *header) {
  struct jpeg_decompress_struct codec;
  error_manager manager;
  memset(&codec, 0, sizeof codec);
  codec.err = install(&manager);
  if (setjmp(manager.escape)) {
    jpeg_destroy_decompress(&codec);
    return message;
  }
  open_bytes(&codec, bytes, count);
  header->width = (int32_t)codec.image_width;
  header->height = (int32_t)codec.image_height;
  header->components = codec.num_components;
  header->channels = codec.jpeg_color_space == JCS_GRAYSCALE ? 1 : 3;
  jpeg_destroy_decompress(&codec);
  return NULL;
}

/// Adobe's inverted CMYK, four bytes a pixel, to RGB in place of a second buffer.
static void rgb_from_inverted_cmyk(const uint8_t *cmyk, uint8_t *rgb, size_t pixels) {
  for (size_t i = 0; i < pixels; i++) {
    const unsigned key = cmyk[4 * i + 3];
    for (int channel = 0; channel < 3; channel++) {
      const unsigned product = (255u - cmyk[4 * i + channel]) * key + 128u;
      rgb[3 * i + channel] = (uint8_t)(key - (((product >> 8) + product) >> 8));
    }
  }
}

static void read_rows(j_decompress_ptr codec, uint8_t *pixels) {
  const size_t width = codec->output_width;
  if (codec->out_color_space != JCS_CMYK) {
    const size_t row_bytes = width * (size_t)codec->output_components;
    while (codec->output_scanline < codec->output_height) {
      JSAMPROW row = pixels + row_bytes * codec->output_scanline;
      jpeg_read_scanlines(codec, &row, 1);
    }
    return;
  }
  // The codec's own pool: a longjmp from here releases it with the codec.
  JSAMPARRAY buffer = codec->mem->alloc_sarray((j_common_ptr)codec, JPOOL_IMAGE, (JDIMENSION)(4 * width), 1);
  while (codec->output_scanline < codec->output_height) {
    const size_t line = codec->output_scanline;
    jpeg_read_scanlines(codec, buffer, 1);
    rgb_from_inverted_cmyk(buffer[0], pixels + 3 * width * line, width);
  }
}

const char *ligature_jpeg_decode(const uint8_t *bytes, size_t count, ligature_jpeg_limits limits,
                                 uint8_t *pixels, size_t capacity) {
  struct jpeg_decompress_struct codec;
  error_manager manager;
  scan_limit progress = {.maximum_scans = limits.maximum_scans};
  memset(&codec, 0, sizeof codec);
  codec.err = install(&manager);
  if (setjmp(manager.escape)) {
    jpeg_destroy_decompress(&codec);
    return message;
  }
  open_bytes(&codec, bytes, count);
  codec.mem->max_memory_to_use = limits.maximum_memory;
  progress.base.progress_monitor = on_progress;
  codec.progress = &progress.base;

  size_t channels = 3;
  const int is_cmyk = codec.jpeg_color_space == JCS_CMYK || codec.jpeg_color_space == JCS_YCCK;
  const int is_grey_wanted = (size_t)codec.image_width * codec.image_height == capacity;
  if (codec.jpeg_color_space == JCS_GRAYSCALE || (is_grey_wanted && !is_cmyk)) {
    codec.out_color_space = JCS_GRAYSCALE;
    channels = 1;
  } else if (is_cmyk) {
    codec.out_color_space = JCS_CMYK;
  } else {
    codec.out_color_space = JCS_RGB;
  }
  codec.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&codec);
  if ((size_t)codec.output_width * codec.output_height * channels != capacity) {
    jpeg_destroy_decompress(&codec);
    return "the size changed between header and data";
  }
  read_rows(&codec, pixels);
  // No jpeg_finish_decompress: all pixels are there, so a missing end marker does no harm.
  jpeg_destroy_decompress(&codec);
  return NULL;
}

// ── Encoding ────────────────────────────────────────────────────────────────

const char *ligature_jpeg_encode(const uint8_t *pixels, int32_t width, int32_t height, int32_t channels,
                                 int32_t quality, uint8_t **bytes, size_t *count) {
  struct jpeg_compress_struct codec;
  error_manager manager;
  unsigned long size = 0;
  *bytes = NULL;
  memset(&codec, 0, sizeof codec);
  codec.err = install(&manager);
  if (setjmp(manager.escape)) {
    jpeg_destroy_compress(&codec);
    // Not freed: libjpeg may have released that block when it grew, and the larger one is known only to itself.
    *bytes = NULL;
    return message;
  }
  jpeg_create_compress(&codec);
  jpeg_mem_dest(&codec, (unsigned char **)bytes, &size);
  codec.image_width = (JDIMENSION)width;
  codec.image_height = (JDIMENSION)height;
  codec.input_components = channels;
  codec.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&codec);
  jpeg_set_quality(&codec, quality, TRUE);
  jpeg_start_compress(&codec, TRUE);
  const size_t row_bytes = (size_t)width * (size_t)channels;
  while (codec.next_scanline < codec.image_height) {
    JSAMPROW row = (JSAMPROW)(pixels + row_bytes * codec.next_scanline);
    jpeg_write_scanlines(&codec, &row, 1);
  }
  jpeg_finish_compress(&codec);
  jpeg_destroy_compress(&codec);
  *count = size;
  return NULL;
}

void ligature_jpeg_free(uint8_t *bytes) { free(bytes); }
