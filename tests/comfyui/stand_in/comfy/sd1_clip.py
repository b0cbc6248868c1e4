"""Stands in for ComfyUI's module of this name, as far as loanword asks it; the contract check compares them.

A word is one token here. All else that is seen from outside is as there: what a name is, which file it opens, which
tensor it takes, what weighs how much, how a prompt is cut into sequences of 77.
"""

import logging
import os
import re
import zlib

import safetensors.torch
import torch

# ruff: noqa: ARG001, ARG002, BLE001, LOG015, PLR0917  # arguments and warnings are as there


def load_embed(embedding_name, embedding_directory, embedding_size, embed_key=None):
    tops = [embedding_directory] if isinstance(embedding_directory, str) else embedding_directory
    folders = [folder for top in tops for folder, _, _ in os.walk(top, followlinks=True)]
    for folder in map(os.path.abspath, folders):
        wanted = os.path.abspath(os.path.join(folder, embedding_name))
        if wanted != folder and not wanted.startswith(folder + os.sep):
            continue
        for suffix in ("", ".safetensors", ".pt", ".bin"):
            if os.path.isfile(wanted + suffix):
                return _taken(wanted + suffix, embed_key)
    return None


def _taken(path, key):
    try:
        tree = safetensors.torch.load_file(path) if path.lower().endswith(".safetensors") else torch.load(path)
    except Exception:
        logging.warning("error loading embedding, skipping loading: %s", path)
        return None
    tree = tree.get("string_to_param", tree)
    return tree[key] if key in tree else next(iter(tree.values()))


def _weighted(text, weight):
    """Pieces of a prompt with their weights."""
    depth, start = 0, 0
    for position, character in enumerate(text):
        if character == "(":
            if not depth and text[start:position]:
                yield text[start:position], weight
            start = start if depth else position
            depth += 1
        elif character == ")" and depth:
            depth -= 1
            if not depth:
                inner = text[start + 1 : position]
                told = re.fullmatch(r"(?s)(.+):\s*([+-]?[0-9.]+)\s*", inner)
                yield from _weighted(told[1], float(told[2])) if told else _weighted(inner, weight * 1.1)
                start = position + 1
    if text[start:]:
        yield text[start:], weight


class SDTokenizer:
    def __init__(
        self,
        tokenizer_path=None,
        max_length=77,
        pad_with_end=True,
        embedding_directory=None,
        embedding_size=768,
        embedding_key="clip_l",
    ):
        self.max_length = max_length
        self.start_token, self.end_token = 49406, 49407
        self.pad_token = self.end_token if pad_with_end else 0
        self.embedding_identifier = "embedding:"
        self.embedding_directory = embedding_directory
        self.embedding_size = embedding_size
        self.embedding_key = embedding_key
        self.inv_vocab = {number: f"word{number}</w>" for number in range(16)}

    def _try_get_embedding(self, embedding_name):
        words = embedding_name.split()
        first, rest = words[0], words[1:]
        rest = " ".join(rest)
        found = load_embed(first, self.embedding_directory, self.embedding_size, self.embedding_key)
        bare = first.strip(",")
        if found is None and bare != first:
            found = load_embed(bare, self.embedding_directory, self.embedding_size, self.embedding_key)
            return found, f"{first[len(bare) :]} {rest}"
        return found, rest

    def tokenize_with_weights(self, text, return_word_ids=False, **options):
        groups = []
        text = text.replace(r"\(", "\0").replace(r"\)", "\1")
        for piece, weight in _weighted(text, 1.0):
            plain = piece.replace("\0", "(").replace("\1", ")")
            for each in filter(None, re.split(r"[ \n](?=embedding:)", plain)):
                part = each
                if each.startswith(self.embedding_identifier):
                    name = each[len(self.embedding_identifier) :].strip("\n")
                    found, part = self._try_get_embedding(name)
                    if found is None:
                        logging.warning("warning, embedding:%s does not exist, ignoring", name)
                    else:
                        rows = [found] if found.ndim == 1 else list(found)
                        groups.append([(row, weight) for row in rows])
                if part:
                    words = re.findall(r"\w+|[^\w\s]", part.lower())
                    groups.append([(zlib.crc32(word.encode()) % 49400 + 1, weight) for word in words])
        sequences = self._cut(groups)
        return sequences if return_word_ids else [[token[:2] for token in sequence] for sequence in sequences]

    def _cut(self, groups):
        """Sequences of `max_length`: short groups stay whole, long ones are broken where the sequence is full."""
        room = self.max_length - 1
        sequences = [[(self.start_token, 1.0, 0)]]
        for number, group in enumerate(groups, start=1):
            numbered = [(token, weight, number) for token, weight in group]
            while numbered:
                free = room - len(sequences[-1])
                fits = len(numbered) <= free
                taken = numbered if fits else numbered[:free] if len(group) >= 8 else []
                sequences[-1] += taken
                numbered = numbered[len(taken) :]
                if not fits:
                    self._close(sequences[-1])
                    sequences.append([(self.start_token, 1.0, 0)])
        self._close(sequences[-1])
        return sequences

    def _close(self, sequence):
        sequence.append((self.end_token, 1.0, 0))
        sequence += [(self.pad_token, 1.0, 0)] * (self.max_length - len(sequence))
