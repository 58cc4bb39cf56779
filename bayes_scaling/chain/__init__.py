"""From loss to accuracy: a loss law and a task law joined in one posterior."""

from bayes_scaling.chain.fitting import ChainPosterior as ChainPosterior
from bayes_scaling.chain.fitting import fit_chain as fit_chain
from bayes_scaling.chain.forecasts import TaskForecast as TaskForecast
from bayes_scaling.chain.forecasts import forecast_tasks as forecast_tasks
from bayes_scaling.chain.holdout import RouteComparison as RouteComparison
from bayes_scaling.chain.holdout import average_routes as average_routes
from bayes_scaling.chain.holdout import backtest_tasks as backtest_tasks
from bayes_scaling.chain.holdout import compare_routes as compare_routes
from bayes_scaling.chain.spec import Chain as Chain
from bayes_scaling.chain.spec import chain as chain
from bayes_scaling.chain.tasks import ChainError as ChainError
from bayes_scaling.chain.tasks import Tasks as Tasks
from bayes_scaling.chain.tasks import read_tasks as read_tasks
from bayes_scaling.chain.verdicts import verdicts as verdicts
