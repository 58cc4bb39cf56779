"""Bayesian scaling laws: from a table of training runs to a forecast with credible bands."""

import numpyro as _numpyro

_numpyro.__version__  # noqa: B018  ArviZ imported before numpyro.distributions can break it: touch it first

from bayes_scaling.diagnostics import Diagnostics as Diagnostics
from bayes_scaling.engine import Settings as Settings
from bayes_scaling.forecast import Forecast as Forecast
from bayes_scaling.forecast import forecast as forecast
from bayes_scaling.law import Law as Law
from bayes_scaling.laws import law as law
from bayes_scaling.laws import laws as laws
from bayes_scaling.posterior import Posterior as Posterior
from bayes_scaling.posterior import fit as fit
from bayes_scaling.runs import Runs as Runs
from bayes_scaling.runs import read_runs as read_runs
from bayes_scaling.storage import load as load
from bayes_scaling.storage import save as save
from bayes_scaling.structure import Structure as Structure
