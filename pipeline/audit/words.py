"""Names and values that suggest the sales desk wrote a column: supporting evidence, never enough alone."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["NameHint", "desk_values", "name_hint"]

NameHint = Literal["strong", "weak"]

_STRONG = (
    r"tags?|(?:lead|deal|opportunity|opp|sales|lifecycle|pipeline|call)? ?(?:status|stage)|disposition",
    r"last (?:\w+ )?(?:activity|modified|modification|contact|contacted|touch|call|changed?|updated?|action)"
    r"(?: (?:date|at|on|time))?",
    r"(?:call |talk )?duration|talk ?time|call length|handle time",
    r"clos(?:e|ed|ing) (?:date|at|on|value|amount|reason|time)|(?:lost|won|loss|win|closed) .*|.* won",
    r"next step|follow ?up.*|next (?:call|action|activity|contact).*|probability|forecast.*|contract.*",
    r"(?:.* )?(?:notes?|comments?|remarks?|disqualif\w+|reject\w*)(?: .*)?|(?:.* )?(?:outcome|result)",
    r"converted .*|conversion .*|(?:.* )?(?:is )?customer since|paid.*|payment.*",
)
_WEAK = (
    r"(?:.* )?(?:score|index|quality|rating|grade|profile|priority|temperature|ranking)(?: .*)?",
    r"(?:.* )?(?:amount|deal value|deal size|discount|owner)(?: .*)?",
)
_VALUES = re.compile(
    r"closed? by .*|closed\b.*|lost to .*|(?:closed )?(?:won|lost)|will (?:revert|call|get) .*|ringing|"
    r"switched ?off|(?:opp )?hang ?up|busy|no answer|not? (?:reachable|reached|interested|doing .*|eligible)|"
    r"interested(?: in .*)?|in touch .*|unreachable|(?:invalid|wrong) number.*|number not provided|"
    r"follow(?:ed)?[ -]?up.*|call ?back.*|had a phone conversation|modified|"
    r"customer|disqualified|unqualified|qualified|working|contacted|attempted.*|nurtur\w+|voice ?mail.*|"
    r"proposal.*|negotiat.*|contract.*|won\b.*|lost\b.*|converted(?: to .*)?|refund.*|onboard.*",
    re.IGNORECASE,
)


def name_hint(name: str) -> NameHint | None:
    """Whether a column's name suggests desk use: `strong` names the act of selling, `weak` a judgement.

    Examples
    --------
    >>> [name_hint(n) for n in ("Last Notable Activity", "Lead Quality", "poutcome", "amount_req", "City")]
    ['strong', 'weak', None, 'weak', None]
    """
    plain = " ".join(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", re.sub(r"[^\w]|_", " ", name)).split()).casefold()
    if any(re.fullmatch(pattern, plain) for pattern in _STRONG):
        return "strong"
    return "weak" if any(re.fullmatch(pattern, plain) for pattern in _WEAK) else None


def desk_values(values: NDArray[np.generic]) -> list[str]:
    """Distinct values that describe the sales process itself, the most frequent first.

    Examples
    --------
    >>> desk_values(np.array(["Ringing", "Ringing", "Lost to EINS", "Mumbai", None], dtype=object))
    ['Ringing', 'Lost to EINS']
    """
    counts = pd.Series(values, dtype=object).dropna().astype(str).value_counts(sort=False)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:200]
    return [str(value) for value, _ in ranked if _VALUES.fullmatch(" ".join(str(value).split()))]
