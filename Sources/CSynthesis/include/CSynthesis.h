#ifndef LIGATURE_CSYNTHESIS_H
#define LIGATURE_CSYNTHESIS_H

#include <stddef.h>
#include <stdint.h>

// Text as outlines: fontconfig lists the fonts, HarfBuzz shapes and gives the outlines, Cairo fills them; and the
// loops over pixels that make clean text look photographed. Functions that can fail return NULL, or a message that
// need not be released. No state is shared: any thread may call anything, and a font may be used by several at once.

// ── Fonts ───────────────────────────────────────────────────────────────────

/// Strings live as long as the list.
typedef struct {
  const char *file, *family, *style;
  int32_t index;   // fontconfig's: the face in the low 16 bits, a named instance + 1 in the high ones.
  int32_t weight;  // fontconfig's scale: 80 is regular, 200 bold.
  int32_t is_slanted;
  int32_t is_monospaced;
} ligature_font_entry;

typedef struct {
  ligature_font_entry *entries;
  size_t count;
  void *patterns;
} ligature_font_list;

/// The outline fonts (TrueType and CFF) of the system. Fonts of symbols or in colour are left out.
const char *ligature_fonts_list(ligature_font_list *list);
/// Those in one file; none where it is no font.
const char *ligature_fonts_list_file(const char *file, ligature_font_list *list);
void ligature_fonts_release(ligature_font_list *list);

typedef struct ligature_font ligature_font;

/// NULL when the file holds no font that can be used.
ligature_font *ligature_font_open(const char *file, int32_t index);
void ligature_font_close(ligature_font *font);
int32_t ligature_font_has(const ligature_font *font, uint32_t character);

// ── Outlines ────────────────────────────────────────────────────────────────

enum { ligature_verb_move = 0, ligature_verb_line = 1, ligature_verb_cubic = 2, ligature_verb_close = 3 };

/// Lengths are in ems, y downwards, the base line at 0.
typedef struct {
  uint32_t cluster;  // Where its text begins, in bytes.
  float left, top, right, bottom;  // Its ink; all 0 for a blank.
  float origin, advance;
} ligature_glyph;

typedef struct {
  uint8_t *verbs;
  size_t verb_count, verb_capacity;
  float *points;  // Pairs x, y: one for a move or a line, three for a cubic.
  size_t point_count, point_capacity;
  ligature_glyph *glyphs;
  size_t glyph_count;
  float advance;
} ligature_outline;

/// One line of UTF-8, `spacing` ems added behind each glyph. Release the outline in any case.
const char *ligature_outline_shape(const ligature_font *font, const char *text, size_t length, double spacing,
                                   ligature_outline *outline);
void ligature_outline_release(ligature_outline *outline);

/// Writes width x height bytes, 255 where ink covers all of a pixel. A `stroke` above 0 makes the shapes that many
/// pixels bolder on the whole, below 0 thinner. Pixel centres are whole numbers.
const char *ligature_outline_fill(const uint8_t *verbs, size_t verb_count, const float *points, size_t point_count,
                                  double stroke, int32_t width, int32_t height, uint8_t *coverage);

// ── Pixels ──────────────────────────────────────────────────────────────────

/// A part of a picture that a mask of width x height covers, its top left at (x, y). What leaves the picture is left
/// out.
typedef struct {
  uint8_t *rgb;
  int32_t picture_width, picture_height;
  int32_t x, y, width, height;
} ligature_patch;

/// Lays a colour, which may change from the mask's top to its bottom, over the picture as far as the mask covers it.
void ligature_pixels_paint(ligature_patch patch, const uint8_t *mask, const uint8_t top[3], const uint8_t bottom[3],
                           double opacity);
/// rgb = other where the mask is 255, itself where it is 0.
void ligature_pixels_cover(uint8_t *rgb, const uint8_t *other, const uint8_t *mask, size_t pixels);
/// Every byte equally probable; the same for the same seed.
void ligature_pixels_random(uint8_t *bytes, size_t count, uint64_t seed);
/// rgb = from where the map is 0, to where it is 255.
void ligature_pixels_map(uint8_t *rgb, const uint8_t *map, size_t pixels, const uint8_t from[3], const uint8_t to[3]);
/// Brighter where the map is above 128, darker below; `strength` 1 doubles and blackens.
void ligature_pixels_shade(uint8_t *rgb, const uint8_t *map, size_t pixels, double strength);
/// Adds what is nearly Gaussian noise; the same in the three channels of a pixel, or another in each.
void ligature_pixels_noise(uint8_t *rgb, size_t pixels, double deviation, int32_t is_grey, uint64_t seed);
/// Replaces every byte by the table's.
void ligature_pixels_replace(uint8_t *bytes, size_t count, const uint8_t table[256]);
/// mask = mask * map / 255
void ligature_pixels_multiply(uint8_t *mask, const uint8_t *map, size_t count);
/// The mean of two maps, weighed: a = a * (1 - weight) + b * weight.
void ligature_pixels_mix(uint8_t *a, const uint8_t *b, size_t count, double weight);

#endif
