"""What the tables of docs/zoo.md mean: written by hand after reading them, merged by page.py."""

HEAD = """\
Laws of the zoo fitted to public studies ([data.md](data.md)), beside the numbers that were published for
them. Made by `benchmarks/zoo/run.py` and `page.py`; tables are as measured, remarks are written by hand.
Fits of several families were made before 24 November 2026, with a wider prior of the spread between families
than is the default now ([transfer.md](transfer.md)).

- **Bare** fits leave out the structural discrepancy, since published fits know none; that is not the
  default of `fit`. The other fits say "with discrepancy".
- Medians and 90 % intervals are of the posterior, in the law's own coordinates: amplitudes stand at the
  law's reference size, tokens or compute, and published ones were converted (`bayes-scaling describe
  LAW`).
- **Inside** says whether the published value lies in our 90 % interval. Published values have errors of
  their own, so more than one in ten may lie outside where nothing is wrong.
- **s** is seconds of sampling / of the whole call of `fit` on one core of a shared machine, compilation
  or its cache included: up to several times longer than alone.
- 4 chains of 300 + 500 iterations, more where the effective sample size asks for it; smaller
  steps for tasks along training.
  **Diagnostics** are those of the gate: R-hat, effective sample sizes, divergences, energy.
- All cases are of 23 November 2026, with the sampler of that day."""

TITLES: dict[str, str] = {
    "chinchilla": "Chinchilla",
    "gadre_overtraining": "Over-training",
    "routed_moe": "Routed models",
    "step_law": "Optimal learning rate and batch",
    "parscale": "Parallel streams",
    "isoflop_parabola": "Parabolas on Chinchilla's runs",
    "coupled_chinchilla": "Coupled Chinchilla",
    "kaplan_nd": "Kaplan",
    "farseer": "Farseer",
    "lr_annealing": "Learning-rate annealing",
    "multi_power": "Multi-power law",
    "data_constrained": "Repeated data",
    "vocab_loss": "Vocabulary",
    "gemstones": "Gemstones",
    "gemstones_shapes": "Gemstones, shapes as families",
    "gemstones_shapes_default": "Gemstones, shapes as families, default fit",
    "family_transfer": "A larger sibling from the checkpoints of one model",
    "misfitting": "Choices of a fit",
    "marin": "IsoFLOP ladders",
    "lr_bs_surface": "Loss around the optimum",
    "gadre_error": "Average error from the loss",
    "gadre_tasks": "Single tasks from the loss",
    "pile_tasks": "Seven tasks of public models",
    "gemstones_tasks": "Gemstones, tasks",
    "pythia_tasks": "Pythia, tasks along training",
    "dclm_core": "DCLM, CORE",
    "dclm_tasks": "DCLM, tasks",
    "capability_compute": "Capability from compute",
    "obs_scaling": "Capabilities of public models",
    "sloth": "Skills of model families",
    "monkeys_problems": "Repeated sampling, from counts of problems",
    "monkeys_curves": "Repeated sampling, from the curve",
    "discovery": "Discoveries of an automatic search",
    "rl_posttrain": "RL post-training",
    "rl_slope": "RL post-training, slope in the size",
}

REMARKS: dict[str, str] = {
    "farseer": """\
There is no published fit of these points to compare with: the paper's constants are of its own corpus, in
bits. What the law adds to Chinchilla is there: floor and exponent of tokens fall with the size of the
model (`E_slope` and `beta_slope` are below zero).""",
    "marin": """\
Fitted to the grid of budgets and judged by later runs at the predicted optimum. The parabola in log size
is best at what it was made for: an exponent of the optimal size of 0.40 to 0.41, and all seven runs
inside. Chinchilla says 0.36 to 0.38 and misses the largest run by 2.4 %. With the discrepancy it
forecasts that run to 0.06 %, but two of the smaller ones lie above its narrow bands; its own exponent is
then not the one to plan with, since the discrepancy takes up part of the curves.""",
    "isoflop_parabola": """\
Our exponent of the optimal size lies in the interval that the paper gives for its second approach, slice
by slice (0.462 to 0.534), and is known four times as well, though these points are scattered over sizes
and budgets and one parabola is asked to hold for all; the paper's 0.49 itself is a little below. The
Chinchilla fit to the same points has 0.509.""",
    "chinchilla": """\
The refit by Besiroglu et al. is recovered in every parameter. Of the original fit (last four rows), the
floor, the exponent of tokens and the exponent of the optimal size lie outside: the points of the figure
do not support it, which is what the refit found. All five parameters at once, in logs, say it more
clearly: by the covariance of the posterior the refit lies at a squared distance of 4 (95 % lie within
11), the original fit with unrounded coefficients at about 570; the authors of the refit find 238 with the
wider covariance of their bootstrap.""",
    "gadre_overtraining": """\
Fitted to the authors' five runs a corpus, the bare law recovers all twelve published constants, and
forecasts the two RedPajama targets with a smaller error than the authors' least squares. What the paper
does not say is how sure one may be: 15 runs of at most 0.4e9 parameters leave 2 to 4 % at the targets. C4
is the hard corpus with the authors' procedure too, and there the bare band misses one target in either
table; with the discrepancy all six lie inside. Of the errors beside ours those on RedPajama are printed;
the others come from the authors' procedure, run again.

Fitted to all 98 smaller runs, four constants of the authors' five-run fits lie outside: constants of fits
to five runs belong to those five. Of these five, four have 20 tokens per parameter; all 98 have 5 to 640.""",
    "step_law": """\
The exponent of size in the learning rate and that of tokens in the batch are recovered; the exponent of
tokens in the learning rate and the heights are not. The published constants do not come out of this file:
a user of the authors' repository who refitted it found 0.767 and 0.197, and both lie inside. The heights
differ because of what is called the optimum: ours is the minimum of a quadratic in both logs over the
runs within 1.5 % of the best of a cell, which lies below the middle of the plateau, since the loss rises
faster above the best learning rate than below it. The published exponents rest on smaller models as well
(from 0.06e9), which this file does not hold. In loss the published optima are good all the same: the run
nearest to them in both logs lies 0.096 % above the best of its cell on average (median 0.067 %, at most
0.31 %); the paper says 0.07 %, its repository 0.09 %.""",
    "parscale": "Every constant of both corpora is recovered from 24 losses each.",
    "coupled_chinchilla": """\
The coupling k lies below one with certainty on these runs, so the additive law is rejected in favour of
the coupled one; the value agrees with the published range. The floor is lower than that of the additive
law.""",
    "kaplan_nd": """\
Other data: Kaplan et al. trained on WebText2, stopped early and counted parameters without embeddings.
The exponent of tokens agrees all the same. The law has no floor, and on these runs its exponent of size
has to make up for one.""",
    "gadre_error": """\
The paper goes from a predicted loss to the error, so its relative errors belong to the second table of
each fit. What such a number can mean is in the table of measured noise: sampling the items alone leaves a
standard error of 1.3 to 1.4 % in the 17-task error of a target, two thirds of its variance from the 32
items of one task. A published miss of 0.05 % is a thirtieth of that, so it is luck, and the difference to
ours says nothing; the 3.64 % of the over-trained model is within three standard errors. The third table
carries our own loss posterior into the error, from parameters and tokens alone, where the paper has one
predicted loss: all bands hold, and are about 10 % of the error to either side with the authors' runs.

From the losses that it predicts, the paper's constants give the models of 6.9e9 parameters an error of
0.4789 for C4 (measured 0.4796, 0.15 %) and of 0.4637 for RefinedWeb (0.4505, 2.9 %); that of C4 is luck
again, since its loss is predicted 4.3 % too low and at the measured one the same constants miss by 5.6 %.
The published fits to averages over 46 tasks hold the authors' six runs to 0.004 (C4), 0.005 (RedPajama)
and 0.010 (RefinedWeb), and at the measured loss put the errors of the targets of 1.4 and 6.9e9 parameters
too high by 2.4 and 2.2 %, 3.1 and 1.7 %, 4.3 and 3.6 %.

The corpora do not share one line: at low loss models trained on C4 have errors 0.023 above it, those on
RedPajama and RefinedWeb 0.015 and 0.012 below, 3.5 to 8.5 of their standard errors, hence a curve for
each. For the authors' six runs a corpus the bands hold every target. Fitted to all smaller runs, the law
is too sure of itself, with the discrepancy as well: the four targets of C4 and RefinedWeb lie below its
bands. The step from loss to error is steeper at low loss than an exponential that is fitted where most
models are near chance, so a fit with many small models says less about large ones than its band claims.""",
    "monkeys_problems": """\
The first 100 of the 10 000 samples of each of 128 problems were drawn without replacement; the rest is
what the bands are about. A band counts the problems that are still unsolved after 100 samples, each
solved later with the probability that the mixture gives to such a problem. The mixture of Pythia 70M
rests on a handful of solved problems, and Pythia 1B solved more in the long run than problems of its
first 100 samples suggest.

The published number beside alpha is the exponent b of `-log c = a k^-b` by least squares over the whole
curve. It lies above the median of alpha in every model, and for a reason in the data: the two agree only
where coverage is near one. At the coverages here `-log c` is much larger than the share 1 - c that is
still missed, and falls faster than it (at c = 0.3, about 1.9 times as fast).""",
    "discovery": """\
The rate of the figure and the slope of least squares are recovered; the abstract's 106 finds in 20 000
hours are another axis. A rate that sets in late has the higher expected log density, by about 7 over 35
counts: the first 800 hours brought one find. Constant is what the abstract claims and not what the figure
shows; neither says anything beyond 7000 hours.""",
    "rl_posttrain": """\
Two points of each of the digitised lines, as if each were a count with the reading error of an intercept,
0.02 in log10; the two points of a line share that error in truth and not here, so slopes are less certain
than in the next section. The constants come out inside, with one exception that matters: an intercept
linear in the log of the size, which the catalogue proposes as a prior, does not fit the instruct models
(its tilt is not the one between 7e9 and 32e9), and its forecast of 72e9 is too high at three points of
four. The four-parameter form of the authors' code, whose intercept saturates, holds all of them and finds
the place where 72e9 overtakes 32e9. The level of the 72e9 line is from that size's own runs and its slope
from the authors' extrapolation, so this is a test of the level. On the axis of samples the line of 72e9
lies inside with either form.

The constants of ScaleRL (`rl_sigmoid_compute`) are printed, without curves to read off, and so is the fit
that `rl_posttrain_kaplan` repeats: published values of those laws, with nothing to fit.""",
    "rl_slope": """\
Six slopes per kind, read off the figures to 0.0005, which enters as the known standard error. The
published constants come from the same figures, so agreement says that the form holds, not that it was
measured again. The steepness of Hill's curve is held near one, as in the law.""",
    "vocab_loss": """\
The published level and data term hold only with a slip in the released code, which took `f(V/1000)` where
`f(V)` turns characters into tokens; with true tokens the published constants are 0.46 nat/token too high
on these points. Refitted, the data term is a third of the published one and falls faster, and the
exponents of size and tokens, tied in the paper, differ. Six sizes do not fix E, A and alpha apart: least
squares without priors runs off to a floor of hundreds of nats. The vocabulary term (A_v) is of the order
of 0.01 nat under a noise of 0.05 to 0.1, so its height is hardly known. The optimal vocabulary, which the
slip does not touch, agrees within wide intervals.""",
    "data_constrained": """\
All three fits pass, and none finds the published decay of repeats: R_D is 53 with free and 54 with tied
exponents at 40 epochs, 33 with tied ones at 24, so four epochs are worth 3.9 and not 3.7. The floor and
beta lie outside where exponents are free: the paper ties alpha = beta; freed, beta falls to 0.21, and the
floor falls with it to 1.65, since a data term that decays more slowly leaves less to a constant. The file
lacks the runs above 4e9 parameters, and the authors left out further runs by hand; with least squares on
the same table R_D is 15 (squares) to 19 (robust) for tied exponents and 24 epochs, 47 to 52 for 40
epochs, and 40 or more for free exponents in either cut. A constant that moves that much with the runs
that are kept is not known to two digits. The law cannot rise with further epochs, and the runs near the
end of its reach sit up to 10 % above any fit: 2.8B parameters on 1.25e9 unique tokens reach 3.42 after 44
epochs (left out), where 1.5e9 unique tokens and 24 epochs give 3.07. The two terms are exchangeable in
part: free exponents make excess parameters costly (R_N of 3.7), tied ones make them nearly free (R_N of
37 and 56).

Seven configurations with five seeds decide the seed noise. `seed_sd` itself is stated at a loss of 3 nats
and shrinks with the loss, so it is carried to the losses of the replicates before it is compared with
their spread; [benchmarks.md](benchmarks.md), "Seeds", does the same for each configuration.""",
    "gemstones": """\
The published fits are recovered by the published method: least absolute deviations over all rows of the
same table, as if independent, give E 2.15, alpha 0.293 and beta 0.73 for the first subset (mean absolute
residual 0.0094 in the log, as with the published constants; the objective is nearly flat). The ten
checkpoints of one run are not independent, though: they share what is peculiar to a shape of 22, about 1
% of the loss. Here they are an AR(1) series around the law, so the exponent of tokens comes from the
slope within runs, where it is smaller (0.36 to 0.57), and the floor, which has to fit 22 sizes and shapes
instead of 220 rows, is lower and much less certain. That the law is fragile to which points are taken is
the paper's own conclusion.

The exponent of the optimal size (a) of our fits lies above the authors' approach 1 in all four subsets,
and for the first, third and fourth near their own approach 3: the two approaches of the paper differ by
0.1 to 0.24 on the same runs. Approach 1 on this file, which has every fifth of the authors' checkpoints
and compute as 6ND, gives 0.61 to 0.62 for the cooled runs (published 0.597) and 0.53 to 0.54 for all at
constant rate (0.499). From 100B tokens on it gives 0.86 to 0.88 where 0.458 is published: there every
point has 100B tokens or more, so that at small compute only small models at 100B tokens are left, and
size grows almost in proportion to compute.""",
    "monkeys_curves": """\
Only three well-spaced points of each curve enter, as counts of 128 problems, since coverages of the same
samples are almost one observation; the bands are wider than those from counts of problems, as they ought
to be with less information. The published exponents, fitted to all 10 000 samples, lie inside for every
model and both laws: the first 100 samples hold them. The mixture misses Pythia 70M, of which 100 samples
solve 3.6 % of the problems, at the upper side: pooling draws its exponent to those of the larger models.""",
    "lr_annealing": """\
The decay is a parameter here and a customary 0.999 in the refits beside it; the curves want 0.998, a
memory of 470 steps. The mean errors on the six further schedules are those of the refits, a little below
in two sizes and above in one, from a sixteenth of the points. The gain for 400M is lower for the same reason:
robust least squares on the same points gives 0.171 with a decay held at 0.999 and 0.166 with 0.998, and
residuals of 0.0016 and 0.0008 (gain for 100M 0.144 and 0.141, for 25M 0.121 and 0.118). With the shorter
memory more of the gain has come at every point after a fall of the learning rate, so less of it is
needed. Bands hold 77 to 85 % of the points: those of one curve go astray together.""",
    "family_transfer": """\
Of each width only the shallowest model is known, with its checkpoints; sizes are compared over widths, since
the size term is shared by all families, as in the paper. With it the end of the deepest model of a width is
forecast to 0.9 % on average, nearer than the last loss of the known model (8.8 % off) in all six widths that
have a second one; bands hold all six. This is the claim to be reproduced.""",
    "misfitting": """\
Nothing is published to compare with. With all parameters and the best learning rate of each cell, the
exponent of tokens is more than three times that of size: most runs are short (0.1 to 21e9 tokens), and
their loss is still falling steeply in tokens. The prior of beta reaches 0.58 at its 95 % point, so the
data moved it against the prior.""",
    "gadre_tasks": """\
The published single-task fits are of the authors' six C4 runs. Refitted to those, all 21 constants that
the law can state lie inside. It cannot state the fits of CoQA, LAMBADA and Wikidata, whose eps is above
one, an error of more than all; bounded below one, gamma comes out higher for the first two. Of BoolQ,
CommonsenseQA, PubMedQA and CS Algorithms the published fit is a straight line: a task that hardly rises,
or that jumps, holds no gamma. The verdict says the same of all four, from six runs and from all. COPA
gets it for its 100 items; LAMBADA and Wikidata from six runs, and SQuAD from all, since scores of alike
models scatter by 4 to 5 points around any curve.

Fitted to all 98 smaller runs, eight published constants lie outside (gamma of HellaSwag without examples,
eps of PIQA, all three of ARC Easy and of SQuAD): constants of fits to six C4 runs belong to those six. Of
these, five have 20 tokens per parameter and one 320; all have 5 to 640. Least squares says the same: from
the six it finds the published constants, from all 32 smaller C4 runs a gamma of 2.49 for HellaSwag
(published 2.41), an eps of 0.486 for PIQA (0.472), and a gamma of 1.49 for ARC Easy (1.70) and of 4.6 for
SQuAD (6.1).

"Yes" says that a task rises by more than its noise and how steeply, not that this law holds beyond the
runs. It does not for tasks with a large gamma: HellaSwag's curve of all runs reaches an error of zero at
a loss of 2.26, targets lie at 2.38 to 2.53, and its errors there are too low by a third; the published
constants miss the two C4 targets by 22 to 24 % too. Single tasks are sigmoids of the loss, and this law
is their beginning; PIQA, with a gamma near one, is far from its end and holds all eight. A chain
([downstream.md](downstream.md)) has a sigmoid, and a drift around it.""",
    "pile_tasks": """\
All fourteen errors of the two hidden models lie inside, at losses below all that were fitted, and all
seven tasks can be predicted from these runs. One less chance is what a single task's eps ought to be, and
its prior says so: with the law's own wide prior the fit to PIQA failed, its eps running up to 0.78 where
one less chance is 0.5. ARC Challenge and OpenBookQA are left free: their weakest models score 17 and 12
%, below a chance of 25 %, since the likelihoods of whole answers decide there, so that one less chance is
not where their curves begin (eps of 0.85 and 0.93). Errors of the medians are largest where the error
falls fastest (LAMBADA).""",
    "gemstones_tasks": """\
All nine tasks, judged by the checkpoints of the larger models, at their loss. MMLU, Social IQa and
WinoGrande are not predictable from these runs: they do not surely rise over the fitted models by more
than the noise of their items, which is also what the chain says of them ([downstream.md](downstream.md));
for Social IQa there is no curve to find, and its fit fails. ARC Easy and HellaSwag have bands that are
too narrow (9 and 12 of 18 inside): checkpoints of one run go astray together. The known error of a score
is 0.7 of the binomial one, as in the chain, since models answer the same items.""",
    "dclm_core": """\
Not one curve: of 13 models of 6.9B at most one lies inside, all are better than the curve. The reason is
the recorded loss. Over data sets a lower loss goes with a higher CORE only weakly at 0.4B and 1.4B
(correlations -0.44 and -0.33), and at 6.9B a higher loss goes with a higher CORE (+0.52; six of these 13
are one data set at several learning rates). Nor is it one quantity: from 0.4B to 1.4B it falls by 0.03 to
0.10 in six data sets and by 0.39 to 0.52 in the five others, while CORE rises by 0.10 to 0.15 in all.
With data sets as families most models lie inside, but only because two sizes with such losses leave bands
of 0.27 to 0.48.

From compute (`capability_compute`, a line for each data set, slopes pooled) the bands hold, though nearly
all medians are too high: CORE rises by less per decade from 1.4B to 6.9B than before. The paper's claim
that small models rank data sets as large ones do holds in this file: rank correlations of 0.74 from 1.4B
and 0.85 from 0.4B to 6.9B, with wide intervals, since there are 17 and 11 data sets; the best set at 1.4B
is not the best at 6.9B. The forecast ranks them no better than CORE at 1.4B itself. Single tasks are
the next section.""",
    "dclm_tasks": """\
The nineteen tasks whose items and chance are known, fitted to the 152 models of 0.4B and 1.4B and judged
by thirteen of 6.9B. Fourteen are not predictable from these runs: GSM8K has not left chance, over data
sets six do not surely rise as the loss falls, four leave the steepness to the prior, and three scatter
by more than three points. The five others rise over the small models, but not as this law says: of their
forecasts 10 of 65 hold, since all large models are better than any curve through the small ones. The
reason is that of CORE above: over data sets the recorded loss is not one quantity. The verdict looks at
the fitted runs alone, so it cannot know that; a backtest over sizes does. MMLU with examples and Social
IQa, which do not rise, fail the gate by a few divergences.""",
    "pythia_tasks": """\
Checkpoints of models below 5e9 along their training, for all tasks but LAMBADA, whose loss is the axis;
judged by those of 6.9B and 12B, whose losses reach further down. Checkpoints of one run are correlated
(`checkpoint_correlation`: 0.40 to 0.52 between neighbours, 0.76 for WSC), and go astray together, so that
sixty hidden ones are far fewer than they look: of ARC Easy and SciQ 38 and 47 lie inside. LogiQA and WSC
are not predictable: no fitted model is surely above the floor. The fit to SciQ fails: its curve is nearly
straight, gamma is 0.13 and below the prior of a single task, and asymptote and rate are one ridge, which
its error at a loss of 3 does not feel. MMLU rises by two points and leaves no curve either. LogiQA, WSC,
ARC Challenge: eps is free, since the weakest models score below chance.""",
    "multi_power": """\
Fitted to every sixteenth point of the three schedules that the authors fitted. On the six others mean
errors are a tenth below the published ones for 100M parameters and a tenth above for 25M and 400M; the
worst error of a curve is below for 100M and 400M and the same for 25M. Floor, data term and
its exponent agree to 3 %, though the floors lie outside narrow intervals; gain, C, beta and gamma of the
response to the learning rate are a ridge, and ours is another place on it. The reason is in the data: on
all points of the three fitted schedules the published constants leave residuals of 0.0014 to 0.0024 in
the log loss, our medians 0.0006 to 0.0012, so they are not the best fit to those points, least of all for
400M, where they lie 0.0014 above them on average. Bands hold 72 to 78 % of the points: a bare law that
errs by a thousandth over a stretch of a curve is too sure of that stretch.""",
    "sloth": """\
One benchmark of many: a level for each of 39 families, and common slopes of size and tokens. Nothing is
published for it in these units. The interaction of the two is not needed (its interval holds zero). From
one benchmark skills cannot be told apart; for several see the section before.""",
    "routed_moe": """\
The three routers fitted together, with the dense runs as those of one expert. All eighteen constants of a
least-squares refit of the released runs lie inside. Of the paper's own, which have two or three digits,
levels and slopes of experts do not always: rounded, they leave errors of 0.85 to 1.8 %. In our
coordinates the count of infinitely many experts (`room` beyond that of one) cannot fall below that of
one: in the printed ones the formula has a pole there, in which chains were caught.""",
    "gemstones_shapes": """\
Twenty shapes as families, of four runs each on average. The exponent of tokens is common and sharp, that
of size is not: 0.18 to 0.39. The bare fit fails: the law errs by more than the cooled runs scatter, and
what is left is a narrow curved ridge of floor, size term and exponent; chains of 2000 draws do not mix
along it, and those that went on for 25 minutes on a busy core were not done. The default fit to the same
rows, with the discrepancy, passes after 5500 draws a chain, with the same medians (next section).""",
    "lr_bs_surface": """\
The numbers beside the curvatures and the coupling are no published ones but medians of surfaces that were
refitted to the same file cell by cell; one surface for all seventeen cells is a stronger statement, and
need not be their median. From 19 to 466 tokens per parameter h_lr falls from 0.018 to 0.009 and the
coupling from 0.38 to 0.17. Flat cells reach further out within 2 % and weigh more: least squares with one
set of curvatures, but an optimum for each cell, gives an h_lr of 0.011 and a coupling of 0.27 as well.
Learning rate, batch and q are as under the optimal learning rate and batch; the exponents of size (p) and
of the batch (r) are inside.""",
    "capability_compute": """\
All 22 published constants, least squares for each of eleven families, lie inside. Families of few models
are drawn towards the common slope: that of OLMo, three models over less than a decade, from 0.40 to 0.27,
with an interval that holds both. Slopes differ by a factor of ten between families, from 0.06
(Cerebras-GPT) to 0.53 (CodeLlama).""",
    "obs_scaling": """\
Each of three tasks is left out of the capabilities, which come from the other benchmarks, and every family
of models is held out in one of three folds; quantities are those of the first fold. For GSM8K a second
component lowers the CRPS from 0.044 to 0.037, and its weight is far from zero; a third changes neither.
For MMLU the third lowers it from 0.027 to 0.026, with weights just off zero (the floor of a task whose
weakest models are near chance trades against the level, and two of its first folds fail for it). For
HumanEval one is best, and the weights of the others hold zero. So one or two capabilities are enough,
where the paper takes three for all tasks. Bands hold 90 to 93 % of the families' models that the fit
never saw. Capabilities are standardised over all models, the held-out ones included: that shift of the
axis knows nothing about their score on the task.""",
}
