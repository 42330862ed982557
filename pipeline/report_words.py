"""Names and meanings in the report, for readers who are not analysts."""

from __future__ import annotations

__all__ = [
    "CALIBRATION",
    "CARDS",
    "CHECKS",
    "METRICS",
    "RANKING",
    "REASONS",
    "RUNGS",
    "STATUS",
    "TREE_SETTINGS",
    "VERDICTS",
]

RUNGS = {
    "points": "Points table",
    "logistic": "Logistic regression",
    "lightgbm": "Gradient-boosted trees",
    "blend": "Blend of the two models",
}
# name, form of the figure ("%", "x" or digits), meaning
METRICS = {
    "auc": ("AUC", "3", "how often a buyer has a higher score than a non-buyer; 0.5 is chance"),
    "average_precision": ("Average precision", "3", "mean share of buyers down the list"),
    "precision_at_100": ("Buyers among the first 100", "%", "share of the 100 best rows that converted"),
    "precision_at_capacity": ("Buyers within capacity", "%", "share that converted of the rows sales can take as SQL"),
    "recall_at_10": ("Buyers in the top 10 %", "%", "share of all buyers found by working the best tenth"),
    "recall_at_20": ("Buyers in the top 20 %", "%", "share of all buyers found by working the best fifth"),
    "lift_at_10": ("Lift in the top 10 %", "x", "buyers found there, against as many leads in any order"),
    "calibration_ratio": ("Promised / came", "2", "mean probability over observed share; 1 is right"),
    "calibration_slope": ("Calibration slope", "2", "1 is right; below 1 they lie too far apart"),
    "calibration_intercept": ("Calibration shift", "2", "log-odds that put the level right; 0 is right"),
    "ece": ("Calibration error (ECE)", "4", "mean gap of promised and observed over 15 groups; 0 is right"),
    "log_loss": ("Log loss", "4", "how wrong the probabilities are, in nats; lower is better"),
    "brier": ("Brier score", "4", "mean squared distance of probability and outcome; lower is better"),
}  # fmt: skip
RANKING = {
    "auc", "average_precision", "precision_at_100", "precision_at_capacity", "recall_at_10", "recall_at_20",
    "lift_at_10",
}  # fmt: skip
CALIBRATION = {"calibration_ratio", "calibration_slope", "calibration_intercept", "ece", "log_loss", "brier"}
TREE_SETTINGS = {
    "num_leaves": "Leaves",
    "min_data_in_leaf": "Rows a leaf",
    "lambda_l2": "L2 penalty",
    "feature_fraction": "Share of features",
    "bagging_fraction": "Share of rows",
}
CHECKS = {
    "auc_within_time": "Ranks better than chance",
    "log_loss_against_constant": "Beats one average chance for all",
    "calibration_ratio": "Level of the probabilities",
    "calibration_slope": "Spread of the probabilities",
    "plausible": "Not too good to be true",
    "log_loss_against_champion": "Against the present champion",
    "band_stability": "Bands against the champion",
}
STATUS = {"passed": "passed", "failed": "failed", "not_shown": "not shown"}
CARDS = {
    "recall_at_10": ("%", "of the buyers are among the best tenth of the list"),
    "lift_at_10": ("x", "as many buyers in the best tenth as in a tenth drawn blindly"),
    "auc": ("%", "of the time a buyer is ranked above a non-buyer; chance is 50 %"),
    "calibration_ratio": ("2", "sales promised for each that came; 1 is right"),
}
VERDICTS = {
    "champion": ("✓", "Champion", "in use from now on"),
    "challenger": ("◷", "Challenger", "kept beside the champion, not in use"),
    "refused": ("✕", "Refused", "not registered, not in use"),
}
REASONS = {
    "immature": "too recent: the horizon is not over yet",
    "in_grace": "outcome within the grace period",
    "thinned": "above the most rows a training takes, drawn by hash",
    "unlabelled": "no label: still open",
    "duplicate": "exact duplicates",
    "bot": "bot bursts and link scanners",
    "before_lead": "before the lead existed",
    "unknown_lead": "of no known lead",
    "outcome_event": "tell the outcome itself",
    "internal": "own staff",
}
