#include "CPango.h"

#include <stdlib.h>

#include <pango/pangocairo.h>

struct ligature_canvas {
  cairo_surface_t *surface;
  cairo_t *context;
  int32_t width, height;
};

static const char *status_of(cairo_t *context) {
  const cairo_status_t status = cairo_status(context);
  return status == CAIRO_STATUS_SUCCESS ? NULL : cairo_status_to_string(status);
}

const char *ligature_canvas_create(int32_t width, int32_t height, ligature_canvas **canvas) {
  *canvas = NULL;
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
  const cairo_status_t status = cairo_surface_status(surface);
  if (status != CAIRO_STATUS_SUCCESS) {
    cairo_surface_destroy(surface);
    return cairo_status_to_string(status);
  }
  ligature_canvas *result = malloc(sizeof *result);
  if (result == NULL) {
    cairo_surface_destroy(surface);
    return "no memory";
  }
  *result = (ligature_canvas){surface, cairo_create(surface), width, height};
  cairo_set_source_rgb(result->context, 1, 1, 1);
  cairo_paint(result->context);
  // The same pixels on every machine: no sub-pixel colours, no snapping to a screen's grid.
  cairo_font_options_t *options = cairo_font_options_create();
  cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
  cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
  cairo_set_font_options(result->context, options);
  cairo_font_options_destroy(options);
  *canvas = result;
  return status_of(result->context);
}

void ligature_canvas_destroy(ligature_canvas *canvas) {
  if (canvas == NULL) return;
  cairo_destroy(canvas->context);
  cairo_surface_destroy(canvas->surface);
  free(canvas);
}

// ── Pixels ──────────────────────────────────────────────────────────────────

static uint32_t *row_of(ligature_canvas *canvas, int32_t y) {
  unsigned char *data = cairo_image_surface_get_data(canvas->surface);
  return (uint32_t *)(void *)(data + (size_t)y * (size_t)cairo_image_surface_get_stride(canvas->surface));
}

void ligature_canvas_put(ligature_canvas *canvas, const uint8_t *rgb, int32_t width, int32_t height, int32_t x,
                         int32_t y) {
  cairo_surface_flush(canvas->surface);
  for (int32_t row = 0; row < height; row++) {
    const int64_t to_row = (int64_t)y + row;
    if (to_row < 0 || to_row >= canvas->height) continue;
    uint32_t *out = row_of(canvas, (int32_t)to_row);
    const uint8_t *in = rgb + (size_t)row * (size_t)width * 3;
    for (int32_t column = 0; column < width; column++, in += 3) {
      const int64_t to_column = (int64_t)x + column;
      if (to_column < 0 || to_column >= canvas->width) continue;
      out[to_column] = 0xFF000000u | (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
    }
  }
  cairo_surface_mark_dirty(canvas->surface);
}

void ligature_canvas_get(ligature_canvas *canvas, uint8_t *rgb) {
  cairo_surface_flush(canvas->surface);
  for (int32_t y = 0; y < canvas->height; y++) {
    const uint32_t *in = row_of(canvas, y);
    for (int32_t x = 0; x < canvas->width; x++, rgb += 3) {
      rgb[0] = (uint8_t)(in[x] >> 16);
      rgb[1] = (uint8_t)(in[x] >> 8);
      rgb[2] = (uint8_t)in[x];
    }
  }
}

// ── Shapes ──────────────────────────────────────────────────────────────────

static void set_colour(cairo_t *context, ligature_colour colour) {
  cairo_set_source_rgba(context, colour.red, colour.green, colour.blue, colour.alpha);
}

const char *ligature_canvas_polygon(ligature_canvas *canvas, const float *points, size_t count, int32_t closed,
                                    double line_width, ligature_colour colour) {
  cairo_t *context = canvas->context;
  cairo_new_path(context);
  // Pixel centres are whole numbers for us, and halves for Cairo.
  for (size_t i = 0; i < count; i++) cairo_line_to(context, points[2 * i] + 0.5, points[2 * i + 1] + 0.5);
  if (closed) cairo_close_path(context);
  set_colour(context, colour);
  if (line_width > 0) {
    cairo_set_line_width(context, line_width);
    cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(context, CAIRO_LINE_CAP_ROUND);
    cairo_stroke(context);
  } else {
    cairo_fill(context);
  }
  return status_of(context);
}

// ── Text ────────────────────────────────────────────────────────────────────

static PangoLayout *make_layout(ligature_canvas *canvas, const char *text, size_t length, const char *font,
                                double size) {
  PangoLayout *layout = pango_cairo_create_layout(canvas->context);
  // Lengths then grow with the size, and text is as wide when turned.
  pango_context_set_round_glyph_positions(pango_layout_get_context(layout), FALSE);
  PangoFontDescription *description = pango_font_description_from_string(font);
  pango_font_description_set_absolute_size(description, size * PANGO_SCALE);
  pango_layout_set_font_description(layout, description);
  pango_font_description_free(description);
  pango_layout_set_single_paragraph_mode(layout, TRUE);
  pango_layout_set_text(layout, text, (int)length);
  return layout;
}

static ligature_text_box box_of(PangoRectangle units) {
  return (ligature_text_box){(double)units.x / PANGO_SCALE, (double)units.y / PANGO_SCALE,
                             (double)units.width / PANGO_SCALE, (double)units.height / PANGO_SCALE};
}

const char *ligature_canvas_text(ligature_canvas *canvas, const char *text, size_t length, const char *font,
                                 double size, const double *matrix, ligature_colour colour,
                                 ligature_text_box *logical, ligature_text_box *ink) {
  cairo_t *context = canvas->context;
  // Laid out before the matrix is set: where that scales x and y differently, Pango would space letters wrongly.
  PangoLayout *layout = make_layout(canvas, text, length, font, size);
  cairo_save(context);
  if (matrix != NULL) {
    cairo_matrix_t transform;
    cairo_matrix_init(&transform, matrix[0], matrix[1], matrix[2], matrix[3], matrix[4] + 0.5, matrix[5] + 0.5);
    cairo_set_matrix(context, &transform);
  }
  PangoRectangle ink_units, logical_units;
  pango_layout_get_extents(layout, &ink_units, &logical_units);
  if (logical != NULL) *logical = box_of(logical_units);
  if (ink != NULL) *ink = box_of(ink_units);
  if (matrix != NULL) {
    set_colour(context, colour);
    cairo_move_to(context, 0, 0);
    pango_cairo_show_layout(context, layout);
  }
  g_object_unref(layout);
  cairo_restore(context);
  return status_of(context);
}

int32_t ligature_canvas_missing_glyphs(ligature_canvas *canvas, const char *text, size_t length, const char *font) {
  PangoLayout *layout = make_layout(canvas, text, length, font, 16);
  const int32_t missing = pango_layout_get_unknown_glyphs_count(layout);
  g_object_unref(layout);
  return missing;
}
