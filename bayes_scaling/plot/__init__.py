"""Pictures of a posterior: its forecast, its parameters, and how well it explains the data.

Every function returns a matplotlib ``Figure`` made without pyplot, and writes it if given a path. Colours
come with a marker or a line style of their own, so that the pictures can be read in black and white.
"""

from bayes_scaling.plot._style import PlotError as PlotError
from bayes_scaling.plot._style import brief as brief
from bayes_scaling.plot._style import fixed as fixed
from bayes_scaling.plot._style import writable as writable
from bayes_scaling.plot.calibration import plot_backtest as plot_backtest
from bayes_scaling.plot.checks import plot_predictive_check as plot_predictive_check
from bayes_scaling.plot.curves import plot_forecast as plot_forecast
from bayes_scaling.plot.densities import plot_prior_posterior as plot_prior_posterior
from bayes_scaling.plot.flight import plot_monitor as plot_monitor
from bayes_scaling.plot.prior import plot_prior_predictive as plot_prior_predictive
from bayes_scaling.plot.tasks import plot_tasks as plot_tasks
