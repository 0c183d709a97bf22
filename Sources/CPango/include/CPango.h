#ifndef LIGATURE_CPANGO_H
#define LIGATURE_CPANGO_H

#include <stddef.h>
#include <stdint.h>

// Drawing by Cairo, text by Pango. Functions that can fail return NULL, or a message that need not be released.

typedef struct ligature_canvas ligature_canvas;

typedef struct {
  double red, green, blue, alpha;  // 0 to 1
} ligature_colour;

/// In the text's own pixels: x along the line, y downwards, (0, 0) the top left of its logical box.
typedef struct {
  double x, y, width, height;
} ligature_text_box;

/// All white.
const char *ligature_canvas_create(int32_t width, int32_t height, ligature_canvas **canvas);
void ligature_canvas_destroy(ligature_canvas *canvas);

/// Copies RGB pixels to a position; what leaves the canvas is left out.
void ligature_canvas_put(ligature_canvas *canvas, const uint8_t *rgb, int32_t width, int32_t height, int32_t x,
                         int32_t y);
/// Writes width x height x 3 bytes, RGB.
void ligature_canvas_get(ligature_canvas *canvas, uint8_t *rgb);

/// `points` are x, y pairs. A line width of 0 fills, any other strokes.
const char *ligature_canvas_polygon(ligature_canvas *canvas, const float *points, size_t count, int32_t closed,
                                    double line_width, ligature_colour colour);

/// One line of UTF-8. `font` is Pango's description without a size ("Serif Bold"), `size` is in pixels.
/// `matrix` (xx, yx, xy, yy, x0, y0) maps the text's pixels to the canvas. Nothing is drawn without a matrix.
/// Both boxes are written if given: the logical one, for spacing, and that of the ink.
const char *ligature_canvas_text(ligature_canvas *canvas, const char *text, size_t length, const char *font,
                                 double size, const double *matrix, ligature_colour colour,
                                 ligature_text_box *logical, ligature_text_box *ink);

/// Glyphs of that text for which no installed font has a shape; -1 when that cannot be told.
int32_t ligature_canvas_missing_glyphs(ligature_canvas *canvas, const char *text, size_t length, const char *font);

#endif
