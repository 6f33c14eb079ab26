"""TF-IDF with logistic regression as a reward model: is the difference of two answers' vectors that of chosen − rejected?"""

import json
import sys

import numpy as np
from scipy.sparse import vstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

with open(sys.argv[1]) as file:
    pairs = json.load(file)

vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
vectorizer.fit([pair[side] for pair in pairs["train"] for side in ("chosen", "rejected")])


def differences(rows):
    chosen, rejected = (vectorizer.transform([pair[side] for pair in rows]) for side in ("chosen", "rejected"))
    return chosen - rejected


train, held_out = differences(pairs["train"]), differences(pairs["heldOut"])
labels = np.concatenate([np.ones(train.shape[0]), np.zeros(train.shape[0])])
model = LogisticRegression(fit_intercept=False, max_iter=1000).fit(vstack([train, -train]), labels)
scores = model.decision_function(held_out)
print(json.dumps({
    "pairs": {"train": train.shape[0], "heldOut": held_out.shape[0]},
    "accuracy": float(np.mean((scores > 0) + 0.5 * (scores == 0))),
}))
