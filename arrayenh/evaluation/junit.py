"""Verdicts as JUnit XML for CI pipelines: a test case for each recording and check."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from arrayenh.evaluation.qa import Check, Verdict

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters illegal in XML 1.0: control characters, lone surrogates from file names."""

COUNTED = {
    "tests": "testcase",
    "failures": "*/failure",
    "errors": "*/error",
    "skipped": "*/skipped",
}
UNJUDGED = "judged"
"""Name of the test case of a recording that could not be judged."""


def junit_xml(verdicts: Sequence[Verdict], suite: str) -> str:
    """Write one test suite; a failed check is a failure, a recording without verdict an error.

    Parameters
    ----------
    verdicts : sequence of Verdict
    suite : str
        Name of the test suite.

    Returns
    -------
    text : str
        XML, to be encoded as UTF-8.

    References
    ----------
    The format has no standard; Jenkins, GitLab and GitHub read the schema jenkins-junit.xsd of
    the xUnit plugin.
    """
    top = ElementTree.Element("testsuites")
    node = ElementTree.SubElement(top, "testsuite", name=legal(suite))
    for verdict in verdicts:
        if verdict.error is not None:
            case = add_case(node, verdict, UNJUDGED)
            ElementTree.SubElement(case, "error", message=legal(verdict.error))
        for check in verdict.checks:
            add_result(add_case(node, verdict, check.name), check)
    for key, path in COUNTED.items():
        node.set(key, str(len(node.findall(path))))
    node.set("time", f"{sum(verdict.seconds for verdict in verdicts):.3f}")
    ElementTree.indent(top)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(top, "unicode")}\n'


def add_case(suite: ElementTree.Element, verdict: Verdict, name: str) -> ElementTree.Element:
    """Add a test case; the time of a recording is divided among its checks."""
    seconds = verdict.seconds / max(len(verdict.checks), 1)
    return ElementTree.SubElement(
        suite, "testcase", classname=legal(verdict.recording), name=name, time=f"{seconds:.3f}"
    )


def add_result(case: ElementTree.Element, check: Check) -> None:
    """Add the result of a check to its test case."""
    if check.passed is None:
        ElementTree.SubElement(case, "skipped", message=legal(check.reason or ""))
    elif not check.passed:
        ElementTree.SubElement(case, "failure", type="threshold", message=legal(check.words))
    else:
        ElementTree.SubElement(case, "system-out").text = legal(check.words)


def legal(text: str) -> str:
    """Remove the characters that XML cannot hold."""
    return FORBIDDEN.sub("\ufffd", text)
