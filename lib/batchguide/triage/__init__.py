"""From an error text or a job to its likeliest causes, with what speaks for and against each.

    table.py    the rules of data/causes.json as values: causes, signals, weights
    reading.py  a text as lines fit to search, and which signals it holds
    scoring.py  signals to confidences
    jobs.py     what a capture says of a job, as texts and facts with their place
    explain.py  the document that `batchguide explain` prints

How confidence is made. Every cause starts at the same log-odds (`scale.prior`), `undetermined` at
0. Each signal that is found adds its weight to the causes that it speaks for, or takes away from
those that it speaks against; of one family only the strongest counts. A cause with nothing stronger
than hints loses `scale.without`. Confidence is the cause's share of the sum of exp(score), the
undetermined among them: more evidence for a cause never lowers it, a rival's evidence does, and a
text without any signal is undetermined.
"""

from batchguide.triage.explain import explain_job, explain_text

__all__ = ["explain_job", "explain_text"]
