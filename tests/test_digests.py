"""What holds for digests of claims: they change with all that decides a verdict, and with nothing else."""

import subprocess
import sys
from dataclasses import replace

from test_findings import claim, control, make_runs, number, study

from research.design.digests import claim_digest
from research.design.study import Number
from research.judging.findings import judge


def test_a_threshold_is_part_of_a_claims_digest():
    first = Number("score", (8, 32), {"case": ("sine",)}, "first_below", "only", threshold=0.1)
    claims = [claim(measured=replace(first, threshold=value)) for value in (0.1, 0.2)]
    assert claim_digest(claims[0]) != claim_digest(claims[1])


def test_the_digest_changes_with_anything_that_decides_and_with_nothing_else():
    base = claim(above=0.5)
    changed = [
        replace(base, text="Other words"),
        replace(base, kind="share"),
        replace(base, above=0.4),
        replace(base, below=1.0),
        replace(base, share=0.6),
        *(
            replace(base, number=other)
            for other in (
                number(("tanh",)),
                number(depths=(2,)),
                number(across_arms="max"),
                number(across_depths="max"),
                number(missing=(0.0, 1.0)),
                number(resolution=0.1),
                replace(number(), metric="other"),
            )
        ),
    ]
    digests = {claim_digest(each) for each in changed}
    assert len(digests | {claim_digest(base)}) == len(changed) + 1
    assert claim_digest(replace(base, name="d", passage="B 2", by_hand="by eye")) == claim_digest(base)
    one, other = (control(0.5, guards=guards) for guards in ((), ("a",)))
    assert claim_digest(one) == claim_digest(other)


def test_the_digest_is_that_of_every_other_process_and_version():
    golden = "9e7ecda6ebe8fcee16f7f5505ddda1576c013ae1e466831d80a9cdbe57626c99"
    assert claim_digest(claim(above=0.5)) == golden
    code = (
        "import sys; sys.path.insert(0, 'tests'); from test_findings import claim; "
        "from research.design.digests import claim_digest; print(claim_digest(claim(above=0.5)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == golden


def test_a_finding_has_the_digest_of_its_claim_or_control():
    judged = study(claim(above=0.7), controls=(control(0.5),))
    judgement = judge(judged, make_runs(), 5, complete=True)
    assert judgement.claims[0].digest == claim_digest(judged.claims[0])
    assert judgement.controls[0].digest == claim_digest(judged.controls[0])
