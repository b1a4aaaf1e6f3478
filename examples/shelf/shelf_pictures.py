"""Look at a picture: its size, its main colours and a small copy of it."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from shelf_types import PictureFacts, Swatch, UnreadableError

Colour = NDArray[np.float64]

# What Pillow decodes, by the classifier's labels, and the only decoders that a file may reach.
PICTURE_LABELS = {
    "avif": "AVIF",
    "bmp": "BMP",
    "gif": "GIF",
    "ico": "ICO",
    "jp2": "JPEG2000",
    "jpeg": "JPEG",
    "png": "PNG",
    "qoi": "QOI",
    "tga": "TGA",
    "tiff": "TIFF",
    "webp": "WEBP",
}
THUMBNAIL_SIDE = 320
THUMBNAIL_MIME = "image/webp"
_MAX_PIXELS = 64_000_000
_ORIENTATION = 0x0112  # in EXIF
_LYING = {5, 6, 7, 8}
_PALETTE_SIZE = 5
_MIN_SHARE = 0.01
_SAME_COLOUR = 48.0  # distance in RGB below which two colours look like one

# What Pillow's decoders raise on bytes that are not what they claim to be.
_DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, struct.error, EOFError, IndexError, KeyError, TypeError, OverflowError,
    zlib.error, Image.DecompressionBombError,
)  # fmt: skip


def look(path: Path, name: str) -> tuple[PictureFacts, bytes]:
    """Give the facts and a WebP thumbnail of at most 320 pixels a side, both the same on every call.

    An animation is judged by its first frame.

    Raises:
        UnreadableError: cut short, damaged, or more than 64 million pixels.
    """
    with _opened(path, name) as image:
        mode, frames, size = image.mode, getattr(image, "n_frames", 1), image.size
        turned = image.getexif().get(_ORIENTATION) in _LYING
        image.draft("RGB", (2 * THUMBNAIL_SIDE, 2 * THUMBNAIL_SIDE))  # a JPEG is decoded no larger than needed
        image.load()
        upright = _shown(ImageOps.exif_transpose(image))
    width, height = reversed(size) if turned else size
    upright.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    facts = PictureFacts(width, height, mode, frames, _palette(upright))
    return facts, _encoded(upright)


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Image.Image]:
    """Open and decode, and turn whatever a decoder throws into one clear error."""
    try:
        with Image.open(path, formats=list(PICTURE_LABELS.values())) as image:
            _check_size(image, name)
            yield image
    except UnreadableError:
        raise
    except _DECODE_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's trouble, not the picture's
        raise UnreadableError(name, _reason(error)) from error


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > _MAX_PIXELS:
        millions = _MAX_PIXELS // 1_000_000
        raise UnreadableError(
            name, f"{width} \u00d7 {height} pixels are more than the {millions} million that are allowed"
        )


def _reason(error: Exception) -> str:
    text = str(error)
    if isinstance(error, Image.DecompressionBombError):
        return f"more than the {_MAX_PIXELS // 1_000_000} million pixels that are allowed"
    if "truncated" in text or isinstance(error, EOFError):
        return "the picture is cut short"
    if isinstance(error, UnidentifiedImageError) or not text:
        return "it begins like a picture, but no decoder can read it"
    return f"the picture is damaged ({text.splitlines()[0][:80]})"


def _shown(image: Image.Image) -> Image.Image:
    """Bring any pixel mode to RGB or RGBA; deep greys are spread over what a screen can show."""
    if image.mode.startswith(("I", "F")):
        step = max(1, max(image.size) // (4 * THUMBNAIL_SIDE))
        deep = np.nan_to_num(np.asarray(image)[::step, ::step].astype(np.float64), posinf=0.0, neginf=0.0)
        low, high = float(deep.min()), float(deep.max())
        grey = (deep - low) * (255.0 / (high - low if high > low else 1.0))
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    clear = image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info
    mode = "RGBA" if clear else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _palette(image: Image.Image) -> list[Swatch]:
    """Five main colours: a median cut to 32, look-alikes join the larger one, and vivid ones count for more."""
    small = image.resize((min(image.width, 96), min(image.height, 96)), Image.Resampling.BOX)
    pixels = np.asarray(small.convert("RGBA")).reshape(-1, 4)
    seen = pixels[pixels[:, 3] >= 128][:, :3]
    if not len(seen):
        return []
    cut = Image.fromarray(np.ascontiguousarray(seen[None, :, :])).quantize(32, Image.Quantize.MEDIANCUT)
    colours = np.asarray(cut.getpalette("RGB"), dtype=np.float64).reshape(-1, 3)
    counts = np.bincount(np.asarray(cut).ravel(), minlength=len(colours))
    kept: list[tuple[Colour, int]] = []
    for index in np.argsort(-counts, kind="stable"):
        _join_nearest(kept, colours[index], int(counts[index]))
    telling = sorted(kept, key=lambda entry: (-entry[1] * (0.25 + _vividness(entry[0])), tuple(entry[0])))
    swatches = [Swatch(_hex(colour), round(count / len(seen), 3)) for colour, count in telling[:_PALETTE_SIZE]]
    return sorted((each for each in swatches if each.share >= _MIN_SHARE), key=lambda each: (-each.share, each.colour))


def _vividness(colour: Colour) -> float:
    """0 for a grey, 1 for a pure colour: a red roof says more about a picture than one more grey."""
    return float(colour.max() - colour.min()) / 255.0


def _join_nearest(kept: list[tuple[Colour, int]], colour: Colour, count: int) -> None:
    for index, (other, held) in enumerate(kept):
        if float(np.linalg.norm(other - colour)) < _SAME_COLOUR:
            kept[index] = (other, held + count)
            return
    if count:
        kept.append((colour, count))


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{round(float(part)):02x}" for part in colour)


def _encoded(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "WEBP", quality=82, method=4, exif=b"", icc_profile=b"", xmp=b"")
    return out.getvalue()
