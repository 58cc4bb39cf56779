"""Bayesian scaling laws: from a table of training runs to a forecast with credible bands."""

from __future__ import annotations

import sys
from importlib import import_module, metadata
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

# ArviZ imported before numpyro.distributions can break it: numpyro comes first
from numpyro import __version__ as _numpyro_version  # noqa: F401

if TYPE_CHECKING:
    __version__: str

    from bayes_scaling import datasets as datasets
    from bayes_scaling.average import Average as Average
    from bayes_scaling.backtest import Backtest as Backtest
    from bayes_scaling.backtest import backtest as backtest
    from bayes_scaling.borrowed.conflict import Conflict as Conflict
    from bayes_scaling.borrowed.file import read_prior as read_prior
    from bayes_scaling.borrowed.file import save_prior as save_prior
    from bayes_scaling.borrowed.record import Prior as Prior
    from bayes_scaling.chain import Chain as Chain
    from bayes_scaling.chain import ChainPosterior as ChainPosterior
    from bayes_scaling.chain import TaskForecast as TaskForecast
    from bayes_scaling.chain import average_routes as average_routes
    from bayes_scaling.chain import backtest_tasks as backtest_tasks
    from bayes_scaling.chain import chain as chain
    from bayes_scaling.chain import compare_routes as compare_routes
    from bayes_scaling.chain import fit_chain as fit_chain
    from bayes_scaling.chain import forecast_tasks as forecast_tasks
    from bayes_scaling.chain import read_tasks as read_tasks
    from bayes_scaling.compare import Comparison as Comparison
    from bayes_scaling.compare import average as average
    from bayes_scaling.compare import compare as compare
    from bayes_scaling.decide import Cost as Cost
    from bayes_scaling.decide import allocate as allocate
    from bayes_scaling.decide import beats as beats
    from bayes_scaling.decide import frontier as frontier
    from bayes_scaling.decide import monitor as monitor
    from bayes_scaling.decide import next_run as next_run
    from bayes_scaling.decide import risk as risk
    from bayes_scaling.decide import sensitivity as sensitivity
    from bayes_scaling.decide import watch as watch
    from bayes_scaling.diagnostics import Diagnostics as Diagnostics
    from bayes_scaling.engine import Settings as Settings
    from bayes_scaling.forecast import Forecast as Forecast
    from bayes_scaling.forecast import forecast as forecast
    from bayes_scaling.law import Law as Law
    from bayes_scaling.laws import law as law
    from bayes_scaling.laws import laws as laws
    from bayes_scaling.plot import plot_backtest as plot_backtest
    from bayes_scaling.plot import plot_forecast as plot_forecast
    from bayes_scaling.plot import plot_monitor as plot_monitor
    from bayes_scaling.plot import plot_predictive_check as plot_predictive_check
    from bayes_scaling.plot import plot_prior_posterior as plot_prior_posterior
    from bayes_scaling.plot import plot_prior_predictive as plot_prior_predictive
    from bayes_scaling.plot import plot_tasks as plot_tasks
    from bayes_scaling.posterior import Posterior as Posterior
    from bayes_scaling.posterior import fit as fit
    from bayes_scaling.priors import prior as prior
    from bayes_scaling.priors import priors as priors
    from bayes_scaling.report import Review as Review
    from bayes_scaling.report import review as review
    from bayes_scaling.runs import Runs as Runs
    from bayes_scaling.runs import read_runs as read_runs
    from bayes_scaling.storage import load as load
    from bayes_scaling.storage import save as save
    from bayes_scaling.structure import Structure as Structure
    from bayes_scaling.transfer import common_tokenizer as common_tokenizer
    from bayes_scaling.transfer import regress_families as regress_families
    from bayes_scaling.transfer import transfer as transfer
    from bayes_scaling.verdict import Verdict as Verdict
    from bayes_scaling.verdict import verdict as verdict

#: Names on offer by their module, as above; a module is imported when a name of it is first asked for.
_HOMES = {
    "average": "Average",
    "backtest": "Backtest backtest",
    "borrowed.conflict": "Conflict",
    "borrowed.file": "read_prior save_prior",
    "borrowed.record": "Prior",
    "chain": "Chain ChainPosterior TaskForecast average_routes backtest_tasks chain compare_routes fit_chain "
    "forecast_tasks read_tasks",
    "compare": "Comparison average compare",
    "decide": "Cost allocate beats frontier monitor next_run risk sensitivity watch",
    "diagnostics": "Diagnostics",
    "engine": "Settings",
    "forecast": "Forecast forecast",
    "law": "Law",
    "laws": "law laws",
    "plot": "plot_backtest plot_forecast plot_monitor plot_predictive_check plot_prior_posterior "
    "plot_prior_predictive plot_tasks",
    "posterior": "Posterior fit",
    "priors": "prior priors",
    "report": "Review review",
    "runs": "Runs read_runs",
    "storage": "load save",
    "structure": "Structure",
    "transfer": "common_tokenizer regress_families transfer",
    "verdict": "Verdict verdict",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


class _Package(ModuleType):
    """Imports what is asked for, so that importing the package takes no longer than importing NumPyro.

    Several names are those of a module and of a function in it: the function is meant, whatever was imported
    before.
    """

    def __getattribute__(self, name: str) -> Any:
        if name in _HOME:
            return getattr(import_module(f"bayes_scaling.{_HOME[name]}"), name)
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return metadata.version("bayes_scaling")
        if not name.startswith("_") and find_spec(f"bayes_scaling.{name}"):
            return import_module(f"bayes_scaling.{name}")
        raise AttributeError(f"module 'bayes_scaling' has no attribute {name!r}", name=name, obj=self)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_HOME, "datasets"})


sys.modules[__name__].__class__ = _Package
