"""What is written down: forecasts before the truth is known, and what became of them."""

from bayes_scaling.report._parse import RecordError as RecordError
from bayes_scaling.report._schema import Predicted as Predicted
from bayes_scaling.report._schema import Record as Record
from bayes_scaling.report.calibration import Calibration as Calibration
from bayes_scaling.report.calibration import CalibrationError as CalibrationError
from bayes_scaling.report.calibration import Coverage as Coverage
from bayes_scaling.report.calibration import calibrate as calibrate
from bayes_scaling.report.calibration import plot_calibration as plot_calibration
from bayes_scaling.report.ledger import Ledger as Ledger
from bayes_scaling.report.ledger import LedgerError as LedgerError
from bayes_scaling.report.ledger import append as append
from bayes_scaling.report.ledger import default_path as default_path
from bayes_scaling.report.ledger import enter as enter
from bayes_scaling.report.ledger import read_ledger as read_ledger
from bayes_scaling.report.outcome import Outcome as Outcome
from bayes_scaling.report.outcome import judge as judge
from bayes_scaling.report.outcome import parse_outcome as parse_outcome
from bayes_scaling.report.record import make_record as make_record
from bayes_scaling.report.record import predicted as predicted
from bayes_scaling.report.record import read_record as read_record
from bayes_scaling.report.record import write_record as write_record
