"""Small picture files of every kind that Imaging reads, and what Pillow and OpenCV make of them."""

import io
import struct
import zlib

import cv2
import numpy as np
from PIL import Image

WIDTH, HEIGHT = 40, 28


def photo(width, height, seed=1):
    """Slopes, waves, bars with hard edges and a little noise, [height, width, 3], uint8, RGB."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    red = 255 * x / width
    green = 127 + 120 * np.sin(x / 5.0) * np.cos(y / 7.0)
    blue = 255 * y / height
    picture = np.stack([red, green, blue], axis=2) + rng.normal(0, 6, (height, width, 3))
    picture[height // 4 : height // 4 + 4, width // 8 : width // 2] = 20
    picture[height // 2 :, width // 2 : width // 2 + 3] = 240
    return np.clip(picture, 0, 255).astype(np.uint8)


def png(samples, depth, colour, interlaced=False, palette=None, transparency=None):
    """PNG bytes of integer samples [height, width, channels]; Pillow and OpenCV cannot write every kind."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    def rows(part):
        out = b""
        for row in part.reshape(part.shape[0], -1):
            if depth == 16:
                data = row.astype(">u2").tobytes()
            elif depth == 8:
                data = row.astype(np.uint8).tobytes()
            else:
                bits = "".join(format(int(value), f"0{depth}b") for value in row)
                bits += "0" * (-len(bits) % 8)
                data = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
            out += b"\0" + data
        return out

    height, width = samples.shape[:2]
    adam7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    if interlaced:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in adam7]
        raw = b"".join(rows(part) for part in parts if part.size)
    else:
        raw = rows(samples)
    out = b"\x89PNG\r\n\x1a\n"
    out += chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced)))
    if palette is not None:
        out += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if transparency is not None:
        out += chunk(b"tRNS", transparency)
    return out + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def png_files():
    rgb = photo(WIDTH, HEIGHT)
    grey = rgb[..., :1].astype(np.int64)
    rng = np.random.default_rng(3)
    wide = rng.integers(0, 65536, (HEIGHT, WIDTH, 4))
    alpha = rng.integers(0, 256, (HEIGHT, WIDTH, 1))
    palette = rng.integers(0, 256, (16, 3))
    index = rng.integers(0, 16, (HEIGHT, WIDTH, 1))
    files = {f"png_grey{depth}": png(grey >> (8 - depth), depth, 0) for depth in (1, 2, 4, 8)}
    files |= {
        "png_grey16": png(wide[..., :1], 16, 0),
        "png_grey8_transparent": png(grey, 8, 0, transparency=struct.pack(">H", int(grey[0, 0, 0]))),
        "png_rgb8": png(rgb, 8, 2),
        "png_rgb8_interlaced": png(rgb, 8, 2, interlaced=True),
        "png_rgb16": png(wide[..., :3], 16, 2),
        "png_palette4": png(index, 4, 3, palette=palette),
        "png_palette8_transparent": png(index, 8, 3, palette=palette, transparency=bytes(range(0, 256, 16))),
        "png_grey_alpha8": png(np.concatenate([grey, alpha], 2), 8, 4),
        "png_grey_alpha16": png(wide[..., :2], 16, 4),
        "png_rgba8": png(np.concatenate([rgb, alpha], 2), 8, 6),
        "png_rgba16": png(wide, 16, 6, interlaced=True),
    }
    return files


def pillow_files():
    """Written by Pillow: name to (bytes, its own decoding)."""
    rgb = Image.fromarray(photo(WIDTH, HEIGHT))
    alpha = np.random.default_rng(4).integers(0, 256, (HEIGHT, WIDTH, 1), dtype=np.uint8)
    rgba = Image.fromarray(np.concatenate([np.array(rgb), alpha], 2))
    files = {}

    def add(name, image, kind, **options):
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        decoded = Image.open(io.BytesIO(buffer.getvalue()))
        decoded = decoded.convert("RGB") if decoded.mode == "CMYK" else decoded
        files[name] = (buffer.getvalue(), np.array(decoded))

    add("jpeg_grey", rgb.convert("L"), "JPEG")
    add("jpeg_420", rgb, "JPEG", quality=80)
    add("jpeg_422", rgb, "JPEG", quality=80, subsampling=1)
    add("jpeg_444", rgb, "JPEG", quality=95, subsampling=0)
    add("jpeg_progressive", rgb, "JPEG", quality=80, progressive=True)
    add("jpeg_cmyk", rgb.convert("CMYK"), "JPEG", quality=90)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        add(f"jpeg_exif{orientation}", rgb, "JPEG", quality=70, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    add("png_exif6", rgb, "PNG", exif=exif)
    add("webp_lossy", rgb, "WEBP", quality=80)
    add("webp_lossless", rgb, "WEBP", lossless=True)
    add("webp_alpha", rgba, "WEBP", lossless=True, exact=True)
    add("webp_lossy_alpha", rgba, "WEBP", quality=80)
    add("webp_exif6", rgb, "WEBP", quality=80, exif=exif)
    add("webp_animated", rgb, "WEBP", lossless=True, save_all=True, append_images=[rgb.convert("L").convert("RGB")])
    return files


def pillow_upright(name, bytes_):
    """The picture turned as its EXIF says, by Pillow."""
    from PIL import ImageOps

    return np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(bytes_))))


def opencv_colour(bytes_):
    """What cv2.imread gives with IMREAD_COLOR, as RGB."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return np.ascontiguousarray(cv2.imdecode(np.frombuffer(bytes_, np.uint8), flags)[..., ::-1])


def opencv_unchanged(bytes_):
    """What cv2.imread gives with IMREAD_UNCHANGED, colours as RGB or RGBA."""
    image = cv2.imdecode(np.frombuffer(bytes_, np.uint8), cv2.IMREAD_UNCHANGED)
    if image.ndim == 2:
        return image
    order = [2, 1, 0, 3][: image.shape[2]]
    return np.ascontiguousarray(image[..., order])
