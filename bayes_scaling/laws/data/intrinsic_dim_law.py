"""Test loss from intrinsic dimension and label sharpness (Konz & Mazurowski 2024, arXiv:2401.08865).

The authors' code counts equal labels in the sharpness of several classes; `label_sharpness` unequal ones.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from bayes_scaling.law import Derived, Golden, Input, Law, Limit, Parameter, Reference, positive

#: Training images and dimension at which the level is stated.
IMAGES0, DIMENSION0 = 1000.0, 20.0


def log_mean(images, dimension, sharpness, *, level, w, v):
    """Natural log of the test loss."""
    e_folds = jnp.log(images) / dimension - math.log(IMAGES0) / DIMENSION0
    return jnp.log(level) - w * e_folds + v * jnp.log(sharpness)


def label_sharpness(images: Any, labels: Any, *, categorical: bool = True) -> float:
    """Largest change of the label per distance between two images, ``max |y_i - y_j| / ||x_i - x_j||``.

    Parameters
    ----------
    images : array, shape (n, ...)
        About a thousand images of the training set; all pairs are compared.
    labels : array, shape (n,)
        Class of each image, or a number with ``categorical=False``.
    categorical : bool
        Whether two labels differ by 0 or 1 (same class or not) or by their difference.

    Raises
    ------
    ValueError
        If fewer than two images are given, labels do not match them, or two equal images differ in label.
    """
    x = np.asarray(images, float).reshape(len(images), -1)
    y = np.asarray(labels)
    if len(x) < 2 or y.shape != (len(x),):
        raise ValueError(f"expected two or more images and one label each; found {len(x)} and {y.shape}")
    square = (x**2).sum(1)
    distance = np.sqrt(np.maximum(square[:, None] + square - 2 * x @ x.T, 0.0))
    change = (y[:, None] != y).astype(float) if categorical else np.abs(y[:, None] - y)
    pairs = change > 0
    if not pairs.any():
        return 0.0
    if not (distance[pairs] > 0).all():
        raise ValueError("two equal images have different labels: the label sharpness is infinite")
    return float((change[pairs] / distance[pairs]).max())


def _fixed_geometry(inputs, values):
    d, v, w = inputs["dimension"], values["v"], values["w"]
    A = values["level"] * inputs["sharpness"] ** v * math.exp(w * math.log(IMAGES0) / DIMENSION0)
    return inputs, values, {"x": inputs["images"]}, {"A": A, "alpha": w / d}


_THEORY = {"level": 1.0, "w": 1.0, "v": 1.0}

LAW = Law(
    name="intrinsic_dim_law",
    title="Test loss from training images, intrinsic dimension and label sharpness",
    equation="log L = log level - w (log(n)/d - log(1000)/20) + v log(K/K0)",
    predictor=log_mean,
    predicts=replace(positive("test_loss", "1", centre="none"), scatter=(0.03, 0.6)),
    inputs=(
        Input("images", "image", "training images", (100.0, 1e5)),
        Input("dimension", "1", "intrinsic dimension of the data (or of the representation)", (5.0, 60.0)),
        Input("sharpness", "1", "label sharpness K of the data", (1e-3, 1.0), centre="data"),
    ),
    parameters=(
        Parameter("level", (0.037, 27.0), meaning="loss at n = 1000, d = 20 and the typical sharpness"),
        Parameter("w", (0.44, 2.28), pool="tight", meaning="numerator of the exponent; 1 in theory"),
        Parameter("v", (0.44, 2.28), pool="tight", meaning="exponent of the sharpness; 1 in theory"),
    ),
    monotone={"images": "decreasing", "dimension": "increasing", "sharpness": "increasing"},
    golden=(
        # at n = 1000 and d = 20 the loss is the level; ten times the images is worth 10^(-1/d)
        Golden({"images": 1e4, "dimension": 20.0, "sharpness": 1.0}, 0.891, _THEORY, rtol=5e-4),
        Golden({"images": 1e3, "dimension": 20.0, "sharpness": 2.0}, 2.0, _THEORY, rtol=1e-9),
    ),
    limits=(Limit("one data set", "power_law", _fixed_geometry),),
    derived=(
        Derived(
            "factor_10_d20", lambda w: 10 ** (-w / 20), meaning="factor of ten times the images at d = 20"
        ),
        Derived(
            "factor_10_d30", lambda w: 10 ** (-w / 30), meaning="factor of ten times the images at d = 30"
        ),
    ),
    reference=Reference(
        "The Effect of Intrinsic Dataset Properties on Generalization: Unraveling Learning Differences "
        "Between Natural and Medical Images",
        "Konz, Mazurowski",
        2024,
        "2401.08865",
    ),
    notes=(
        "The theory is a bound, K n^(-1/d); fitted with free w and v as an equality. log n is not centred, "
        "for the dimension multiplies it: the loss rises with d by w log(n)/d^2. Families are domains "
        "(natural, medical) or architectures. In the authors' code the sharpness of several classes counts "
        "equal labels; `label_sharpness` counts unequal ones. The dimension is an estimate with an error of "
        "some 10 %, which the fit takes as exact and which pulls w towards zero."
    ),
)
