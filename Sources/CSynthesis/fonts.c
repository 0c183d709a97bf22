#include "CSynthesis.h"

#include <stdlib.h>
#include <string.h>

#include <fontconfig/fontconfig.h>
#include <fontconfig/fcfreetype.h>

static int32_t integer(FcPattern *pattern, const char *object, int32_t otherwise) {
  int value = 0;
  return FcPatternGetInteger(pattern, object, 0, &value) == FcResultMatch ? value : otherwise;
}

static int32_t is_true(FcPattern *pattern, const char *object) {
  FcBool value = FcFalse;
  return FcPatternGetBool(pattern, object, 0, &value) == FcResultMatch && value == FcTrue;
}

static const char *string(FcPattern *pattern, const char *object) {
  FcChar8 *value = NULL;
  return FcPatternGetString(pattern, object, 0, &value) == FcResultMatch ? (const char *)value : "";
}

/// HarfBuzz reads outlines of these only.
static int32_t is_usable(FcPattern *pattern) {
  const char *format = string(pattern, FC_FONTFORMAT);
  return (strcmp(format, "TrueType") == 0 || strcmp(format, "CFF") == 0) && !is_true(pattern, FC_VARIABLE) &&
         !is_true(pattern, FC_SYMBOL) && !is_true(pattern, FC_COLOR) && *string(pattern, FC_FILE) != 0;
}

/// Takes over the set.
static const char *collect(FcFontSet *fonts, ligature_font_list *list) {
  if (fonts == NULL) return "no memory";
  list->patterns = fonts;
  list->entries = calloc((size_t)fonts->nfont + 1, sizeof *list->entries);
  if (list->entries == NULL) return "no memory";
  for (int i = 0; i < fonts->nfont; i++) {
    FcPattern *font = fonts->fonts[i];
    if (!is_usable(font)) continue;
    const int32_t spacing = integer(font, FC_SPACING, FC_PROPORTIONAL);
    list->entries[list->count++] = (ligature_font_entry){
        string(font, FC_FILE),
        string(font, FC_FAMILY),
        string(font, FC_STYLE),
        integer(font, FC_INDEX, 0),
        integer(font, FC_WEIGHT, FC_WEIGHT_REGULAR),
        integer(font, FC_SLANT, FC_SLANT_ROMAN) != FC_SLANT_ROMAN,
        spacing == FC_MONO || spacing == FC_CHARCELL,
    };
  }
  return NULL;
}

const char *ligature_fonts_list(ligature_font_list *list) {
  *list = (ligature_font_list){NULL, 0, NULL};
  FcConfig *config = FcInitLoadConfigAndFonts();
  if (config == NULL) return "fontconfig has no configuration";
  FcPattern *pattern = FcPatternBuild(NULL, FC_SCALABLE, FcTypeBool, FcTrue, FC_OUTLINE, FcTypeBool, FcTrue, NULL);
  FcObjectSet *objects =
      FcObjectSetBuild(FC_FILE, FC_INDEX, FC_FAMILY, FC_STYLE, FC_WEIGHT, FC_SLANT, FC_SPACING, FC_VARIABLE, FC_SYMBOL,
                       FC_COLOR, FC_FONTFORMAT, NULL);
  FcFontSet *fonts = pattern != NULL && objects != NULL ? FcFontList(config, pattern, objects) : NULL;
  if (objects != NULL) FcObjectSetDestroy(objects);
  if (pattern != NULL) FcPatternDestroy(pattern);
  FcConfigDestroy(config);
  return collect(fonts, list);
}

const char *ligature_fonts_list_file(const char *file, ligature_font_list *list) {
  *list = (ligature_font_list){NULL, 0, NULL};
  FcFontSet *fonts = FcFontSetCreate();
  if (fonts == NULL) return "no memory";
  int count = 0;
  FcFreeTypeQueryAll((const FcChar8 *)file, (unsigned)-1, NULL, &count, fonts);
  return collect(fonts, list);
}

void ligature_fonts_release(ligature_font_list *list) {
  free(list->entries);
  if (list->patterns != NULL) FcFontSetDestroy(list->patterns);
  *list = (ligature_font_list){NULL, 0, NULL};
}
