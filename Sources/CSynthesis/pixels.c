#include "CSynthesis.h"

#include <math.h>

static uint64_t mixed(uint64_t z) {  // The output function of splitmix64: a counter through it is the generator.
  z += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static uint8_t clamped(int32_t value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

/// value * 257 / 65536 is value / 255, rounded, for products of two bytes.
static uint32_t divided(uint32_t product) { return (product + 128 + ((product + 128) >> 8)) >> 8; }

void ligature_pixels_paint(ligature_patch patch, const uint8_t *mask, const uint8_t top[3], const uint8_t bottom[3],
                           double opacity) {
  const uint32_t weight = (uint32_t)(fmin(fmax(opacity, 0), 1) * 256 + 0.5);
  const int32_t from_x = patch.x < 0 ? -patch.x : 0, from_y = patch.y < 0 ? -patch.y : 0;
  const int32_t to_x = patch.width < patch.picture_width - patch.x ? patch.width : patch.picture_width - patch.x;
  const int32_t to_y = patch.height < patch.picture_height - patch.y ? patch.height : patch.picture_height - patch.y;
  for (int32_t y = from_y; y < to_y; y++) {
    uint32_t colour[3];
    const int32_t last = patch.height > 1 ? patch.height - 1 : 1;
    for (int32_t c = 0; c < 3; c++) colour[c] = (uint32_t)((top[c] * (last - y) + bottom[c] * y) / last);
    const uint8_t *in = mask + (size_t)y * (size_t)patch.width;
    uint8_t *out =
        patch.rgb + ((size_t)(patch.y + y) * (size_t)patch.picture_width + (size_t)(patch.x + from_x)) * 3;
    for (int32_t x = from_x; x < to_x; x++, out += 3) {
      if (in[x] == 0) continue;
      const uint32_t a = (in[x] * weight) >> 8;
      for (int32_t c = 0; c < 3; c++) out[c] = (uint8_t)divided(out[c] * (255 - a) + colour[c] * a);
    }
  }
}

void ligature_pixels_cover(uint8_t *rgb, const uint8_t *other, const uint8_t *mask, size_t pixels) {
  for (size_t i = 0; i < pixels; i++) {
    const uint32_t a = mask[i];
    for (size_t c = 3 * i; c < 3 * i + 3; c++) rgb[c] = (uint8_t)divided(rgb[c] * (255 - a) + other[c] * a);
  }
}

void ligature_pixels_random(uint8_t *bytes, size_t count, uint64_t seed) {
  uint64_t word = 0;
  for (size_t i = 0; i < count; i++) {
    if (i % 8 == 0) word = mixed(seed + i / 8 * 0x9E3779B97F4A7C15u);
    bytes[i] = (uint8_t)(word >> (i % 8 * 8));
  }
}

void ligature_pixels_map(uint8_t *rgb, const uint8_t *map, size_t pixels, const uint8_t from[3], const uint8_t to[3]) {
  uint8_t table[256][3];
  for (uint32_t i = 0; i < 256; i++) {
    for (int32_t c = 0; c < 3; c++) table[i][c] = (uint8_t)divided(from[c] * (255 - i) + to[c] * i);
  }
  for (size_t i = 0; i < pixels; i++) {
    for (int32_t c = 0; c < 3; c++) rgb[3 * i + (size_t)c] = table[map[i]][c];
  }
}

void ligature_pixels_shade(uint8_t *rgb, const uint8_t *map, size_t pixels, double strength) {
  int32_t factors[256];
  for (int32_t i = 0; i < 256; i++) factors[i] = (int32_t)((1 + strength * (i - 128) / 128) * 256);
  for (size_t i = 0; i < pixels; i++) {
    const int32_t factor = factors[map[i]];
    for (size_t c = 0; c < 3; c++) rgb[3 * i + c] = clamped(rgb[3 * i + c] * factor >> 8);
  }
}

/// Four bytes' sum has a standard deviation of 147.8 about 510.
static int32_t bell(uint32_t bytes) {
  return (int32_t)((bytes & 255) + (bytes >> 8 & 255) + (bytes >> 16 & 255) + (bytes >> 24)) - 510;
}

void ligature_pixels_noise(uint8_t *rgb, size_t pixels, double deviation, int32_t is_grey, uint64_t seed) {
  const int32_t scale = (int32_t)(deviation / 147.8 * 65536);
  if (is_grey) {
    for (size_t i = 0; i < pixels; i++) {
      const int32_t offset = (bell((uint32_t)(mixed(seed + i / 2) >> (i % 2 * 32))) * scale) >> 16;
      for (size_t c = 0; c < 3; c++) rgb[3 * i + c] = clamped(rgb[3 * i + c] + offset);
    }
  } else {
    for (size_t i = 0; i < 3 * pixels; i++) {
      rgb[i] = clamped(rgb[i] + ((bell((uint32_t)(mixed(seed + i / 2) >> (i % 2 * 32))) * scale) >> 16));
    }
  }
}

void ligature_pixels_replace(uint8_t *bytes, size_t count, const uint8_t table[256]) {
  for (size_t i = 0; i < count; i++) bytes[i] = table[bytes[i]];
}

void ligature_pixels_multiply(uint8_t *mask, const uint8_t *map, size_t count) {
  for (size_t i = 0; i < count; i++) mask[i] = (uint8_t)divided((uint32_t)mask[i] * map[i]);
}

void ligature_pixels_mix(uint8_t *a, const uint8_t *b, size_t count, double weight) {
  const int32_t of_b = (int32_t)(fmin(fmax(weight, 0), 1) * 256 + 0.5), of_a = 256 - of_b;
  for (size_t i = 0; i < count; i++) a[i] = (uint8_t)((a[i] * of_a + b[i] * of_b) >> 8);
}
