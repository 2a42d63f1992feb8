"""A piece of music to sell: some seconds of bells, computed, so that the demo needs no file from anywhere."""

from __future__ import annotations

import array
import math
import sys
import wave
from pathlib import Path

RATE = 44100
NOTE_SECONDS = 0.5
NOTES = (523, 659, 784, 1047, 784, 659, 587, 698, 880, 1175, 880, 698)
"""Hertz; two broken chords, over and over."""
PARTIALS = ((1.0, 0.5), (2.0, 0.25), (3.01, 0.12), (4.2, 0.06))
"""A bell is not quite harmonic: (times the note, loudness)."""
DECAY = 5.0
LOUDEST = 32000


def note(frequency: float) -> array.array[int]:
    """One struck bell, 16 bits a sample."""
    samples = array.array("h")
    for index in range(int(RATE * NOTE_SECONDS)):
        at = index / RATE
        sound = sum(loud * math.sin(2 * math.pi * times * frequency * at) for times, loud in PARTIALS)
        samples.append(int(LOUDEST * sound * math.exp(-DECAY * at)))
    return samples


def ring(path: Path, size: int) -> None:
    """Write a WAV file of about `size` bytes."""
    notes = [note(frequency) for frequency in NOTES]
    if sys.byteorder == "big":
        for each in notes:
            each.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        written = index = 0
        while written < size:
            sounds = notes[index % len(notes)].tobytes()
            file.writeframes(sounds)
            written, index = written + len(sounds), index + 1
