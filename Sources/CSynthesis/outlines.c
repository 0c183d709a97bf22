#include "CSynthesis.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <cairo.h>
#include <hb-ot.h>
#include <hb.h>

// ── Fonts ───────────────────────────────────────────────────────────────────

struct ligature_font {
  hb_font_t *font;  // Immutable, and therefore free to be used by several threads.
  float em;
};

ligature_font *ligature_font_open(const char *file, int32_t index) {
  hb_blob_t *blob = hb_blob_create_from_file_or_fail(file);
  if (blob == NULL) return NULL;
  hb_face_t *face = hb_face_create(blob, (unsigned)index & 0xFFFFu);
  hb_blob_destroy(blob);
  const unsigned em = hb_face_get_upem(face);
  ligature_font *result = hb_face_get_glyph_count(face) > 0 && em > 0 ? malloc(sizeof *result) : NULL;
  if (result != NULL) {
    hb_font_t *font = hb_font_create(face);
    const unsigned instance = (unsigned)index >> 16;
    if (instance > 0) hb_font_set_var_named_instance(font, instance - 1);
    hb_font_make_immutable(font);
    *result = (ligature_font){font, (float)em};
  }
  hb_face_destroy(face);
  return result;
}

void ligature_font_close(ligature_font *font) {
  if (font == NULL) return;
  hb_font_destroy(font->font);
  free(font);
}

int32_t ligature_font_has(const ligature_font *font, uint32_t character) {
  hb_codepoint_t glyph = 0;
  return hb_font_get_nominal_glyph(font->font, character, &glyph) && glyph != 0;
}

// ── Shaping ─────────────────────────────────────────────────────────────────

typedef struct {
  ligature_outline *outline;
  float x, y, scale;  // Where the glyph stands, in font units; ems in a font unit.
  int32_t has_failed;
} pen;

static int32_t reserve(void **memory, size_t *capacity, size_t needed, size_t size) {
  if (needed <= *capacity) return 1;
  const size_t larger = needed * 2 + 64;
  void *moved = realloc(*memory, larger * size);
  if (moved == NULL) return 0;
  *memory = moved;
  *capacity = larger;
  return 1;
}

static void append(pen *pen, uint8_t verb, const float *coordinates, size_t count) {
  ligature_outline *outline = pen->outline;
  void *verbs = outline->verbs, *points = outline->points;
  const int32_t fits = reserve(&verbs, &outline->verb_capacity, outline->verb_count + 1, 1);
  outline->verbs = verbs;
  const int32_t fits_too =
      reserve(&points, &outline->point_capacity, outline->point_count + 2 * count, sizeof(float));
  outline->points = points;
  if (!fits || !fits_too) {
    pen->has_failed = 1;
    return;
  }
  outline->verbs[outline->verb_count++] = verb;
  for (size_t i = 0; i < count; i++) {
    outline->points[outline->point_count++] = (pen->x + coordinates[2 * i]) * pen->scale;
    outline->points[outline->point_count++] = -(pen->y + coordinates[2 * i + 1]) * pen->scale;
  }
}

static void move_to(hb_draw_funcs_t *functions, void *data, hb_draw_state_t *state, float x, float y, void *user) {
  (void)functions, (void)state, (void)user;
  append(data, ligature_verb_move, (float[]){x, y}, 1);
}

static void line_to(hb_draw_funcs_t *functions, void *data, hb_draw_state_t *state, float x, float y, void *user) {
  (void)functions, (void)state, (void)user;
  append(data, ligature_verb_line, (float[]){x, y}, 1);
}

static void cubic_to(hb_draw_funcs_t *functions, void *data, hb_draw_state_t *state, float x1, float y1, float x2,
                     float y2, float x, float y, void *user) {
  (void)functions, (void)state, (void)user;
  append(data, ligature_verb_cubic, (float[]){x1, y1, x2, y2, x, y}, 3);
}

static void quadratic_to(hb_draw_funcs_t *functions, void *data, hb_draw_state_t *state, float x1, float y1, float x,
                         float y, void *user) {
  const float x0 = state->current_x, y0 = state->current_y;
  cubic_to(functions, data, state, x0 + (x1 - x0) * 2 / 3, y0 + (y1 - y0) * 2 / 3, x + (x1 - x) * 2 / 3,
           y + (y1 - y) * 2 / 3, x, y, user);
}

static void close_path(hb_draw_funcs_t *functions, void *data, hb_draw_state_t *state, void *user) {
  (void)functions, (void)state, (void)user;
  append(data, ligature_verb_close, NULL, 0);
}

static hb_draw_funcs_t *draw_functions;
static pthread_once_t draw_functions_once = PTHREAD_ONCE_INIT;

static void make_draw_functions(void) {
  draw_functions = hb_draw_funcs_create();
  hb_draw_funcs_set_move_to_func(draw_functions, move_to, NULL, NULL);
  hb_draw_funcs_set_line_to_func(draw_functions, line_to, NULL, NULL);
  hb_draw_funcs_set_quadratic_to_func(draw_functions, quadratic_to, NULL, NULL);
  hb_draw_funcs_set_cubic_to_func(draw_functions, cubic_to, NULL, NULL);
  hb_draw_funcs_set_close_path_func(draw_functions, close_path, NULL, NULL);
  hb_draw_funcs_make_immutable(draw_functions);
}

static void draw_glyph(hb_font_t *font, hb_codepoint_t glyph, pen *pen) {
#if HB_VERSION_ATLEAST(7, 0, 0)
  hb_font_draw_glyph(font, glyph, draw_functions, pen);
#else
  hb_font_get_glyph_shape(font, glyph, draw_functions, pen);
#endif
}

static void place(const ligature_font *font, hb_buffer_t *buffer, float spacing, ligature_outline *outline, pen *pen) {
  unsigned count = 0;
  const hb_glyph_info_t *infos = hb_buffer_get_glyph_infos(buffer, &count);
  const hb_glyph_position_t *positions = hb_buffer_get_glyph_positions(buffer, &count);
  const float scale = pen->scale;
  float x = 0;  // In font units.
  for (unsigned i = 0; i < count; i++) {
    ligature_glyph *glyph = &outline->glyphs[outline->glyph_count++];
    const float width = (float)positions[i].x_advance + spacing;
    pen->x = x + (float)positions[i].x_offset;
    pen->y = (float)positions[i].y_offset;
    *glyph = (ligature_glyph){.cluster = infos[i].cluster, .origin = x * scale, .advance = width * scale};
    hb_glyph_extents_t box;
    if (hb_font_get_glyph_extents(font->font, infos[i].codepoint, &box) && box.width != 0 && box.height != 0) {
      glyph->left = (pen->x + (float)box.x_bearing) * scale;
      glyph->right = (pen->x + (float)box.x_bearing + (float)box.width) * scale;
      glyph->top = -(pen->y + (float)box.y_bearing) * scale;
      glyph->bottom = -(pen->y + (float)box.y_bearing + (float)box.height) * scale;
    }
    draw_glyph(font->font, infos[i].codepoint, pen);
    x += width;
  }
  outline->advance = x * scale;
}

const char *ligature_outline_shape(const ligature_font *font, const char *text, size_t length, double spacing,
                                   ligature_outline *outline) {
  *outline = (ligature_outline){0};
  pthread_once(&draw_functions_once, make_draw_functions);
  if (length > 1 << 20) return "a line of more than a million bytes";
  hb_buffer_t *buffer = hb_buffer_create();
  hb_buffer_add_utf8(buffer, text, (int)length, 0, (int)length);
  hb_buffer_guess_segment_properties(buffer);
  hb_shape(font->font, buffer, NULL, 0);
  const unsigned count = hb_buffer_get_length(buffer);
  outline->glyphs = malloc(((size_t)count + 1) * sizeof *outline->glyphs);
  pen pen = {outline, 0, 0, 1 / font->em, 0};
  if (outline->glyphs == NULL || !hb_buffer_allocation_successful(buffer)) {
    pen.has_failed = 1;
  } else {
    place(font, buffer, (float)spacing * font->em, outline, &pen);
  }
  hb_buffer_destroy(buffer);
  return pen.has_failed ? "no memory" : NULL;
}

void ligature_outline_release(ligature_outline *outline) {
  free(outline->verbs);
  free(outline->points);
  free(outline->glyphs);
  *outline = (ligature_outline){0};
}

// ── Filling ─────────────────────────────────────────────────────────────────

/// Cairo keeps positions as 24.8 fixed point; what is far outside the picture anyway is moved to this edge.
static double position(float value) { return fmin(fmax((double)value, -1e6), 1e6) + 0.5; }

static int32_t trace(cairo_t *context, const uint8_t *verbs, size_t verb_count, const float *p, size_t point_count) {
  const float *end = p + point_count;
  for (size_t i = 0; i < verb_count; i++) {
    const ptrdiff_t left = end - p;
    switch (verbs[i]) {
      case ligature_verb_move:
        if (left < 2) return 0;
        cairo_move_to(context, position(p[0]), position(p[1]));
        p += 2;
        break;
      case ligature_verb_line:
        if (left < 2) return 0;
        cairo_line_to(context, position(p[0]), position(p[1]));
        p += 2;
        break;
      case ligature_verb_cubic:
        if (left < 6) return 0;
        cairo_curve_to(context, position(p[0]), position(p[1]), position(p[2]), position(p[3]), position(p[4]),
                       position(p[5]));
        p += 6;
        break;
      default: cairo_close_path(context);
    }
  }
  return 1;
}

const char *ligature_outline_fill(const uint8_t *verbs, size_t verb_count, const float *points, size_t point_count,
                                  double stroke, int32_t width, int32_t height, uint8_t *coverage) {
  for (size_t i = 0; i < point_count; i++) {
    if (!isfinite(points[i])) return "a corner is not finite";
  }
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, width, height);
  cairo_t *context = cairo_create(surface);
  const int32_t is_whole = trace(context, verbs, verb_count, points, point_count);
  // A quarter of a pixel is 64 of Cairo's units; curves of letters need no finer steps than this.
  cairo_set_tolerance(context, 0.2);
  if (stroke == 0) {
    cairo_fill(context);
  } else {
    cairo_fill_preserve(context);
    cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_width(context, fabs(stroke));
    if (stroke < 0) cairo_set_operator(context, CAIRO_OPERATOR_DEST_OUT);
    cairo_stroke(context);
  }
  cairo_status_t status = cairo_status(context);
  cairo_destroy(context);
  cairo_surface_flush(surface);
  if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
  if (status == CAIRO_STATUS_SUCCESS) {
    const uint8_t *rows = cairo_image_surface_get_data(surface);
    const size_t stride = (size_t)cairo_image_surface_get_stride(surface);
    for (int32_t y = 0; y < height; y++) {
      memcpy(coverage + (size_t)y * (size_t)width, rows + (size_t)y * stride, (size_t)width);
    }
  }
  cairo_surface_destroy(surface);
  if (!is_whole) return "the outline ends too early";
  return status == CAIRO_STATUS_SUCCESS ? NULL : cairo_status_to_string(status);
}
