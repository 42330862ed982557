"""Names and meanings in the report, for readers who are not analysts."""

from __future__ import annotations

__all__ = ["CHECKS", "METRICS", "REASONS", "RUNGS", "STATUS", "VERDICTS"]

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
CHECKS = {
    "auc_within_time": "Ranks better than chance",
    "log_loss_against_constant": "Beats one average chance for all",
    "calibration_ratio": "Level of the probabilities",
    "calibration_slope": "Spread of the probabilities",
    "log_loss_against_champion": "Against the present champion",
}
STATUS = {"passed": "passed", "failed": "failed", "not_shown": "not shown"}
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
