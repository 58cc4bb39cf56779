"""Decisions: how to split a budget, what a planned run risks, and which of two plans to choose."""

from bayes_scaling.decide._draws import DecisionError as DecisionError
from bayes_scaling.decide.allocate import Allocation as Allocation
from bayes_scaling.decide.allocate import allocate as allocate
from bayes_scaling.decide.allocate import frontier as frontier
from bayes_scaling.decide.allocate import optimum as optimum
from bayes_scaling.decide.allocate import optimum_at as optimum_at
from bayes_scaling.decide.cost import Cost as Cost
from bayes_scaling.decide.duel import Duel as Duel
from bayes_scaling.decide.duel import beats as beats
from bayes_scaling.decide.reach import Reach as Reach
from bayes_scaling.decide.reading import Reading as Reading
from bayes_scaling.decide.reading import Stakes as Stakes
from bayes_scaling.decide.reading import reading as reading
from bayes_scaling.decide.regret import Regret as Regret
from bayes_scaling.decide.regret import regret as regret
from bayes_scaling.decide.risk import Risk as Risk
from bayes_scaling.decide.risk import TaskRisk as TaskRisk
from bayes_scaling.decide.risk import joint_probability as joint_probability
from bayes_scaling.decide.risk import risk as risk
from bayes_scaling.decide.risk import task_risk as task_risk
from bayes_scaling.decide.sensitivity import scaled_priors as scaled_priors
from bayes_scaling.decide.sensitivity import sensitivity as sensitivity
