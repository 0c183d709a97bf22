"""Renders page.jpg, the picture that `make read` reads, and page.json, what is written on it.

Needs numpy and Pillow, and Debian's fonts-dejavu and fonts-liberation. The same versions give the same bytes: every
random number comes from one seed.

usage: make_page.py [FOLDER]
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

SEED = 20240229
WIDTH, HEIGHT = 1120, 1440
FONTS = Path("/usr/share/fonts/truetype")
FACES = {
    "sans": "dejavu/DejaVuSans.ttf",
    "sans bold": "dejavu/DejaVuSans-Bold.ttf",
    "serif bold": "dejavu/DejaVuSerif-Bold.ttf",
    "roman": "liberation/LiberationSerif-Regular.ttf",
    "roman italic": "liberation/LiberationSerif-Italic.ttf",
    "grotesque": "liberation/LiberationSans-Regular.ttf",
    "grotesque bold": "liberation/LiberationSans-Bold.ttf",
    "mono": "liberation/LiberationMono-Regular.ttf",
}


def cloud(random, width, height, cells, octaves=5):
    """Smooth noise in 0…1: random grids of growing fineness, enlarged with a cubic and added up."""
    total = np.zeros((height, width))
    for octave in range(octaves):
        grid = random.random((cells << octave, cells << octave)).astype(np.float32)
        layer = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(layer) / 2**octave
    total -= total.min()
    return total / total.max()


def photograph(random, width, height):
    """Something like an evening street out of focus: sky, haze, lights, grain, a darker rim."""
    y, x = np.mgrid[0:height, 0:width]
    fall = (y / height)[..., None]
    picture = (1 - fall) * np.array([28, 46, 84]) + fall * np.array([148, 88, 58])
    picture = picture * (0.65 + 0.5 * cloud(random, width, height, 3)[..., None])
    lights = Image.new("RGB", (width, height))
    for _ in range(70):
        radius = random.integers(8, 46)
        cx, cy = random.integers(0, width), int(height * random.beta(2.4, 1.6))
        warm = random.random()
        colour = tuple(int(c * (0.25 + 0.4 * random.random())) for c in (255, 170 + 60 * warm, 90 + 120 * warm))
        spot = Image.new("RGB", (width, height))
        ImageDraw.Draw(spot).ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=colour)
        lights = ImageChops.add(lights, spot)
    picture += np.asarray(lights.filter(ImageFilter.GaussianBlur(5)), dtype=np.float64) * 0.8
    rim = 1 - 0.45 * (((x - width / 2) / width) ** 2 + ((y - height / 2) / height) ** 2)[..., None]
    picture = picture * rim + random.normal(0, 5, (height, width, 1))
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def paper(random, width, height):
    """Cream paper with fibres, a soft shadow from one side and grain."""
    shade = 238 + 10 * cloud(random, width, height, 6) + random.normal(0, 2.2, (height, width))
    shade *= np.linspace(1.0, 0.93, width)[None, :]
    tint = np.stack([shade, shade * 0.985, shade * 0.94], axis=-1)
    return Image.fromarray(np.clip(tint, 0, 255).astype(np.uint8))


class Page:
    def __init__(self):
        self.random = np.random.default_rng(SEED)
        self.image = paper(self.random, WIDTH, HEIGHT)
        self.lines = []

    def write(self, text, at, face, size, colour=(30, 30, 34), degrees=0.0):
        """One line with the upper left corner of its ink at `at`, turned anticlockwise about that point."""
        font = ImageFont.truetype(str(FONTS / FACES[face]), size)
        left, top, right, bottom = font.getbbox(text)
        pad = size
        width, height = right - left, bottom - top
        ink = Image.new("L", (width + 2 * pad, height + 2 * pad), 0)
        ImageDraw.Draw(ink).text((pad - left, pad - top), text, font=font, fill=255)
        corners = [(0, 0), (width, 0), (width, height), (0, height)]
        radians = math.radians(degrees)
        cosine, sine = math.cos(radians), math.sin(radians)

        def turned(x, y):
            return at[0] + cosine * x + sine * y, at[1] - sine * x + cosine * y

        # Image.transform asks where a pixel of the page comes from: the inverse of `turned`, into the padded ink.
        inverse = (
            cosine, -sine, pad - cosine * at[0] + sine * at[1],
            sine, cosine, pad - sine * at[0] - cosine * at[1],
        )
        mask = ink.transform((WIDTH, HEIGHT), Image.Transform.AFFINE, inverse, Image.Resampling.BICUBIC)
        self.image.paste(Image.new("RGB", (WIDTH, HEIGHT), colour), (0, 0), mask)
        polygon = [[round(v, 1) for v in turned(x, y)] for x, y in corners]
        self.lines.append({"text": text, "polygon": polygon, "font": FACES[face], "size": size, "degrees": degrees})
        return width, height

    def column(self, lines, at, face, size, leading, **style):
        for index, text in enumerate(lines):
            self.write(text, (at[0], at[1] + index * leading), face, size, **style)


def compose(page):
    banner = photograph(page.random, WIDTH, 400)
    page.image.paste(banner, (0, 0))
    page.write("NIGHT MARKET", (70, 120), "sans bold", 92, (252, 246, 232))
    page.write("Every Friday from 18:30 until midnight", (76, 242), "roman italic", 44, (255, 226, 168))
    page.write("Harbour Street 12-48, Pier 7", (76, 318), "grotesque", 32, (235, 238, 245))

    page.write("A short history of the harbour", (70, 446), "serif bold", 38)
    page.column(
        [
            "The first stalls opened in 1874, when fishermen sold",
            "their catch straight from the boats. Lamps were lit at",
            "dusk, and the crowd stayed until the tide turned.",
            "Today more than 120 traders take part each week.",
        ],
        (70, 516), "roman", 29, 42)

    page.write("Prices", (70, 726), "grotesque bold", 34)
    rows = [("Grilled mackerel", "9.50"), ("Noodle soup", "7.25"), ("Ginger lemonade", "3.80"), ("Total", "20.55")]
    draw = ImageDraw.Draw(page.image)
    for index, (name, price) in enumerate(rows):
        y = 786 + index * 50
        page.write(name, (70, y), "mono", 28)
        page.write(price, (470, y), "mono", 28)
        draw.line((70, y + 36, 560, y + 36), fill=(150, 144, 132), width=1)

    turned = {"degrees": 11.0, "colour": (150, 30, 38)}
    page.write("FRESH TODAY", (668, 862), "sans bold", 50, **turned)
    page.write("Oysters and white wine", (682, 934), "roman italic", 36, **turned)
    page.write("Stall 31, north gate", (692, 990), "grotesque", 30, **turned)

    draw.rectangle((0, 1040, WIDTH, 1160), fill=(28, 52, 60))
    page.write("Free ferry at 22:00 and 23:15", (70, 1076), "sans", 44, (240, 240, 225))

    page.write("Keep the fire lanes clear.", (70, 1194), "sans", 27)
    page.write("Dogs must be on a leash.", (640, 1196), "sans", 25)
    page.write("info@harbour-market.example", (70, 1246), "grotesque", 27)
    page.write("Telephone 555-0147", (640, 1246), "mono", 24)
    page.write("Lost children wait at the blue tent.", (70, 1296), "roman", 30, (70, 70, 80))

    page.write("Printed on recycled paper", (1050, 1404), "grotesque bold", 30, (52, 84, 60),
               degrees=180.0)
    page.write("Page seven", (70, 1374), "mono", 27, (90, 90, 90))


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    page = Page()
    compose(page)
    page.image.save(folder / "page.jpg", quality=86, subsampling=0, optimize=True)
    record = {"image": "page.jpg", "width": WIDTH, "height": HEIGHT, "lines": page.lines}
    (folder / "page.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
