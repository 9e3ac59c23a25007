"""Question answering: the span of a context that answers a question."""

from axkit.tasks.kinds.kind import Kind
from axkit.tasks.kinds.metric import Metric
from axkit.tasks.kinds.question_answering import squad

KIND = Kind(
    name="question_answering",
    head="QuestionAnswering",
    rows="axkit.tasks.kinds.question_answering.rows:QuestionRows",
    compute="axkit.tasks.kinds.question_answering.compute:QuestionAnswering",
    metrics=(
        Metric("f1", squad.f1, "words shared with the best of the gold answers, mean over questions"),
        Metric("exact_match", squad.exact_match, "share of questions whose answer is a gold answer", is_share=True),
    ),
    takes=(2,),
    names_outputs=False,
    windows=True,
)
