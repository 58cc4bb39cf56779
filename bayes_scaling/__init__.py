"""Bayesian scaling laws: from a table of training runs to a forecast with credible bands."""

# ArviZ imported before numpyro.distributions can break it: numpyro comes first
from numpyro import __version__ as _numpyro_version  # noqa: F401

from bayes_scaling.average import Average as Average
from bayes_scaling.backtest import Backtest as Backtest
from bayes_scaling.backtest import backtest as backtest
from bayes_scaling.borrowed.conflict import Conflict as Conflict
from bayes_scaling.borrowed.file import read_prior as read_prior
from bayes_scaling.borrowed.file import save_prior as save_prior
from bayes_scaling.borrowed.record import Prior as Prior
from bayes_scaling.compare import Comparison as Comparison
from bayes_scaling.compare import average as average
from bayes_scaling.compare import compare as compare
from bayes_scaling.decide import Cost as Cost
from bayes_scaling.decide import allocate as allocate
from bayes_scaling.decide import beats as beats
from bayes_scaling.decide import frontier as frontier
from bayes_scaling.decide import risk as risk
from bayes_scaling.decide import sensitivity as sensitivity
from bayes_scaling.diagnostics import Diagnostics as Diagnostics
from bayes_scaling.engine import Settings as Settings
from bayes_scaling.forecast import Forecast as Forecast
from bayes_scaling.forecast import forecast as forecast
from bayes_scaling.law import Law as Law
from bayes_scaling.laws import law as law
from bayes_scaling.laws import laws as laws
from bayes_scaling.plot import plot_backtest as plot_backtest
from bayes_scaling.plot import plot_forecast as plot_forecast
from bayes_scaling.plot import plot_predictive_check as plot_predictive_check
from bayes_scaling.plot import plot_prior_posterior as plot_prior_posterior
from bayes_scaling.plot import plot_prior_predictive as plot_prior_predictive
from bayes_scaling.posterior import Posterior as Posterior
from bayes_scaling.posterior import fit as fit
from bayes_scaling.priors import prior as prior
from bayes_scaling.priors import priors as priors
from bayes_scaling.runs import Runs as Runs
from bayes_scaling.runs import read_runs as read_runs
from bayes_scaling.storage import load as load
from bayes_scaling.storage import save as save
from bayes_scaling.structure import Structure as Structure
from bayes_scaling.transfer import common_tokenizer as common_tokenizer
from bayes_scaling.transfer import regress_families as regress_families
from bayes_scaling.transfer import transfer as transfer
