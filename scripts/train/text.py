# SPDX-License-Identifier: Apache-2.0
"""Small tokenizers and text encoders, trained from scratch, in the classes that the published pipelines load.

Each word of the captions is one token; other words are spelled.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

CLIP_LENGTH = 77
HEAD_WIDTH = 32
WORD_SCORE = -1.0
LETTER_SCORE = -10.0
PRINTABLE = string.digits + string.ascii_letters + string.punctuation
WORD_END = "</w>"
CLIP_START = "<|startoftext|>"
CLIP_END = "<|endoftext|>"


def token_ids(tokenizer: CLIPTokenizer | T5Tokenizer, texts: Sequence[str], length: int) -> torch.Tensor:
    """Ids n x length, truncated and padded as in the pipelines."""
    encoding = tokenizer(list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return encoding.input_ids


def caption_words(captions: Sequence[str]) -> list[str]:
    """The distinct words of the captions, sorted, without the punctuation at their ends."""
    words = {word.rstrip(string.punctuation) for caption in captions for word in caption.split()}
    return sorted(words - {""})


def t5_tokenizer(captions: Sequence[str], max_length: int) -> T5Tokenizer:
    """A tokenizer whose pieces are the words of `captions` and the printable ASCII characters.

    Ids do not depend on the order of the captions: pad 0, end 1, unknown 2, then the characters, then the words.
    Characters outside ASCII are unknown. `max_length` is in tokens, the end token included.
    """
    letters = ["▁", *PRINTABLE, *(f"▁{letter}" for letter in PRINTABLE)]
    words = [f"▁{word}" for word in caption_words(captions)]
    # A word scores above any spelling of it, so that the tokenizer always prefers the whole word.
    scores = dict.fromkeys(letters, LETTER_SCORE) | dict.fromkeys(words, WORD_SCORE)
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return T5Tokenizer(vocab=[*special, *scores.items()], extra_ids=0, model_max_length=max_length)


def clip_tokenizer(captions: Sequence[str]) -> CLIPTokenizer:
    """A byte-level BPE tokenizer that ignores case and gives each run of letters in `captions` one token.

    Any text can be spelled in bytes, so there is no unknown token. The last two ids are the start and the end token.
    CLIP splits at `_` and at every digit: `CAMERA_ORBIT_LEFT` is five tokens.
    """
    symbols = sorted(ByteLevel.alphabet())
    alphabet = [*symbols, *(symbol + WORD_END for symbol in symbols)]
    splitter = _clip(alphabet, []).backend_tokenizer
    normalizer, pre_tokenizer = splitter.normalizer, splitter.pre_tokenizer
    words: set[str] = set()
    for caption in captions:
        words.update(piece for piece, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(caption)))
    return _clip(alphabet, _merges(sorted(words)))


def _clip(alphabet: list[str], merges: list[tuple[str, str]]) -> CLIPTokenizer:
    # Two different merges can build the same token, which must have one id.
    tokens = dict.fromkeys([*alphabet, *(left + right for left, right in merges), CLIP_START, CLIP_END])
    vocab = {token: index for index, token in enumerate(tokens)}
    pairs: Any = merges  # annotated as strings, which the class refuses
    return CLIPTokenizer(vocab=vocab, merges=pairs, model_max_length=CLIP_LENGTH)


def _merges(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, in order of application, after which each of `words` is a single symbol."""
    # Merges chosen word by word would interfere with each other ("r e" of "red" breaks "g r" of "green"). Encoding
    # replays the merges in this order, so all words are merged together until each is whole.
    pending = [[*word[:-1], word[-1] + WORD_END] for word in words if len(word) > 1]
    merges: list[tuple[str, str]] = []
    while pending:
        pairs = Counter(pair for parts in pending for pair in pairwise(parts))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        pending = [parts for parts in (_merge(parts, best) for parts in pending) if len(parts) > 1]
    return merges


def _merge(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    index = 0
    while index < len(parts):
        if tuple(parts[index : index + 2]) == pair:
            merged.append(parts[index] + parts[index + 1])
            index += 2
        else:
            merged.append(parts[index])
            index += 1
    return merged


def t5_encoder(vocab_size: int, width: int, layers: int) -> T5EncoderModel:
    """An untrained T5 v1.1 encoder: token ids (B, L) to embeddings (B, L, width). `width` is a multiple of 32."""
    config = T5Config(
        vocab_size=vocab_size,
        d_model=width,
        d_kv=HEAD_WIDTH,
        d_ff=2 * width,
        num_layers=layers,
        num_heads=_heads(width),
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
    )
    return T5EncoderModel(config)


def clip_encoder(vocab_size: int, width: int, layers: int) -> CLIPTextModel:
    """An untrained CLIP text encoder for a tokenizer of `clip_tokenizer`, whose last ids are the start and end tokens.

    Token ids (B, 77) to a pooled embedding (B, width), encoding at the first end token. `width` is a multiple of 32.
    """
    # With the default id the model misses the end token and pools every text at its start token.
    start, end = vocab_size - 2, vocab_size - 1
    config = CLIPTextConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=_heads(width),
        max_position_embeddings=CLIP_LENGTH,
        pad_token_id=end,
        bos_token_id=start,
        eos_token_id=end,
    )
    return CLIPTextModel(config)


def _heads(width: int) -> int:
    if width % HEAD_WIDTH:
        raise ValueError(f"width {width} is not a multiple of {HEAD_WIDTH}")
    return width // HEAD_WIDTH
