"""Exponents that papers print for a law of the zoo, as named priors (docs/applications.md has the rows)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from bayes_scaling.law import Z90, Law, LawError, nearest, with_priors
from bayes_scaling.laws import law

#: Name -> law, and its exponent alpha; negative where the quantity grows.
EXPONENTS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "hestness_word_lm": ("power_law", 0.066),
        "hestness_character_lm_sgd": ("power_law", 0.0936),
        "hestness_character_lm_adam": ("power_law", 0.0954),
        "hestness_translation": ("power_law", 0.128),
        "hestness_translation_single_high": ("power_law_offset", 0.36),
        "hestness_translation_single_low": ("power_law_offset", 0.30),
        "hestness_imagenet_top1": ("power_law", 0.309),
        "hestness_imagenet_top5": ("power_law", 0.488),
        "hestness_imagenet_loss": ("power_law", 0.350),
        "hestness_speech": ("power_law", 0.299),
        "hestness_model_size_low": ("power_law", -0.573),
        "hestness_model_size_high": ("power_law", -0.92),
        "kaplan_params": ("power_law", 0.076),
        "kaplan_tokens": ("power_law", 0.095),
        "kaplan_compute": ("power_law", 0.050),
        "kaplan_critical_batch": ("power_law", 4.76),
        "kaplan_optimal_params": ("power_law", -0.73),
        "kaplan_frontier_batch": ("power_law", -0.24),
        "kaplan_frontier_steps": ("power_law", -0.03),
        "kaplan_frontier_tokens": ("power_law", -0.27),
        "henighan_loss_low": ("power_law_offset", 0.037),
        "henighan_loss_high": ("power_law_offset", 0.24),
        "henighan_optimal_params_low": ("power_law", -0.64),
        "henighan_optimal_params_high": ("power_law", -0.75),
        "hoffmann_optimal_params_1": ("power_law", -0.50),
        "hoffmann_optimal_params_2": ("power_law", -0.49),
        "hoffmann_optimal_params_3": ("power_law", -0.46),
        "llama3_optimal_tokens": ("power_law", -0.537),
        "deepseek_optimal_scale": ("power_law", -0.5243),
        "deepseek_optimal_params_low": ("power_law", -0.450),
        "deepseek_optimal_params_middle": ("power_law", -0.524),
        "deepseek_optimal_params_high": ("power_law", -0.578),
        "deepseek_learning_rate": ("power_law", 0.1250),
        "deepseek_batch": ("power_law", -0.3271),
        "skaling_batch": ("power_law", -0.231),
        "superposition_width": ("power_law_offset", 0.91),
        "superposition_toy_exponential": ("power_law", 1.005),
        "superposition_toy_power": ("power_law", 0.984),
        "superposition_toy_linear": ("power_law", 0.886),
        "variance_limited": ("power_law", 1.0),
        "clark_dense": ("power_law", 0.078),
        "krajewski_dense": ("chinchilla", 0.126),
        "sardana": ("chinchilla", 0.18),
        "minicpm": ("chinchilla", 0.29),
        "polar_params": ("power_law", 0.0425),
        "polar_compute": ("power_law", 0.0342),
        "mlp_memory_wikitext_decoder": ("power_law", 0.143),
        "mlp_memory_wikitext_memory": ("power_law", 0.168),
        "mlp_memory_web_decoder": ("power_law", 0.216),
        "mlp_memory_web_memory": ("power_law", 0.268),
        "var_params": ("power_law", 0.23),
        "var_compute": ("power_law", 0.13),
        "var_token_error": ("power_law", 0.016),
        "gfm_rag_data": ("power_law", -0.05),
        "gfm_rag_params": ("power_law", -0.03),
        "images_supervised_real": ("power_law", 0.53),
        "images_supervised_synthetic_low": ("power_law", 0.20),
        "images_supervised_synthetic_high": ("power_law", 0.27),
        "images_sketch_real": ("power_law", 0.24),
        "images_sketch_synthetic": ("power_law", 0.25),
        "images_renditions_real": ("power_law", 0.21),
        "images_renditions_synthetic": ("power_law", 0.31),
        "images_clip_real": ("power_law", 0.39),
        "images_clip_synthetic": ("power_law", 0.36),
        "images_clip_downstream_real": ("power_law", 0.31),
        "images_clip_downstream_synthetic": ("power_law", 0.29),
        "kinetics_cache_qwen3": ("power_law", -0.24),
        "kinetics_cache_llama3": ("power_law", -0.34),
        "kinetics_cache_qwen2_5": ("power_law", -0.55),
        "kinetics_cache_opt": ("power_law", -0.63),
        "kinetics_best_tokens": ("power_law", -0.80),
        "kinetics_best_cache": ("power_law", -0.25),
        "patches_segmentation": ("power_law", -0.025),
        "patches_boxes": ("power_law", -0.092),
        "patches_masks": ("power_law", -0.089),
        "video_templates": ("power_law", 0.83),
    }
)

#: Exponent beta of those laws that have a second one.
BETAS: Mapping[str, float] = MappingProxyType({"krajewski_dense": 0.127, "sardana": 0.24, "minicpm": 0.23})

#: Median of an exponent that a paper claims but does not print, and the standard deviation of its log.
UNPRINTED, UNPRINTED_SPREAD = 0.1, 0.8


def exponent_prior(name: str, spread: float = 0.5) -> Law:
    """The law of a published row, its exponent's prior centred on the printed number.

    Parameters
    ----------
    name : str
        One of `EXPONENTS`.
    spread : float, default 0.5
        Standard deviation of the log of the exponent. The default, a factor of 2.3 either way in 90 %, is the
        least for another modality than the paper's; take less only for a set-up like theirs.

    Raises
    ------
    LawError
        If there is no row of that name, or ``spread`` is not positive.
    """
    if name not in EXPONENTS:
        raise LawError(f"there is no published exponent {name!r}; {nearest(name, EXPONENTS)}")
    of, alpha = EXPONENTS[name]
    return _with_exponents(of, {"alpha": alpha} | ({"beta": BETAS[name]} if name in BETAS else {}), spread)


def unprinted_prior(of: str, *, rising: bool = False) -> Law:
    """A law whose exponent a paper claims without printing it: log-normal around 0.1.

    Parameters
    ----------
    of : str
        A law with the parameter ``alpha``, such as ``"power_law"``.
    rising : bool, default False
        Whether the quantity grows, so that alpha is negative.
    """
    return _with_exponents(of, {"alpha": -UNPRINTED if rising else UNPRINTED}, UNPRINTED_SPREAD)


def _with_exponents(of: str, values: Mapping[str, float], spread: float) -> Law:
    if not spread > 0:
        raise LawError(f"expected a positive standard deviation of the log exponent, found {spread}")
    factor = math.exp(Z90 * spread)
    return with_priors(
        law(of),
        {
            name: (min(value / factor, value * factor), max(value / factor, value * factor))
            for name, value in values.items()
        },
    )
