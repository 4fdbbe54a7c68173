"""The findings as a DICOM structured report: TID 1500, one group per finding, the captures as its evidence.

Verdicts and measures have no codes of the standard's own; they carry ours, scheme ``99FOVEAL``.
Source: DICOM PS3.16, TID 1500 Measurement Report; highdicom writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from foveal_audit.bundle.schema import ArtefactFinding, Finding, Findings
from foveal_audit.exports.dicom_case import MANUFACTURER, MODEL_NAME, Case
from foveal_audit.exports.phrases import effects, mend, plain, story

if TYPE_CHECKING:
    from highdicom.sr.coding import CodedConcept
    from pydicom.dataset import Dataset

_SCHEME = "99FOVEAL"
#: A code's value has this many characters at most, its meaning this many.
_VALUE, _MEANING = 16, 64
#: Text of one item: longer ones are cut by some readers.
_TEXT = 1024
_VERDICTS = {
    "confirmed": "Confirmed reliance",
    "suspected": "Suspected reliance",
    "undecidable": "Undecided",
}


def structured_report(case: Case, findings: Findings, captures: Mapping[str, Sequence[Dataset]]) -> Dataset:
    """Make the report.

    Parameters
    ----------
    case
        What all objects share.
    findings
        What the audit concluded.
    captures
        By a finding's id, the captures of its entries; at least one in all.
    """
    from highdicom.sr import ComprehensiveSR, MeasurementReport  # noqa: PLC0415 - only this export needs it
    from pydicom.sr.codedict import codes  # noqa: PLC0415

    content = MeasurementReport(
        observation_context=_observer(case),
        procedure_reported=_code("audit", "Audit of a served classifier"),
        imaging_measurements=[_group(case, one, captures.get(one.id, ())) for one in findings.findings],
        title=codes.DCM.ImagingMeasurementReport,
    )
    for text in _texts(findings):
        content[0].ContentSequence.append(text)
    report = ComprehensiveSR(
        evidence=[one for several in captures.values() for one in several],
        content=content[0],
        series_instance_uid=case.uid("report"),
        series_number=2,
        sop_instance_uid=case.uid("report/1"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
    )
    report.SpecificCharacterSet = "ISO_IR 192"
    report.SeriesDescription = "Foveal: findings"
    return case.dated(report)


def _observer(case: Case) -> Any:  # noqa: ANN401 - highdicom's template
    from highdicom.sr import DeviceObserverIdentifyingAttributes, ObservationContext, ObserverContext  # noqa: PLC0415
    from pydicom.sr.codedict import codes  # noqa: PLC0415

    device = DeviceObserverIdentifyingAttributes(
        uid=case.uid("device"),
        manufacturer_name=MANUFACTURER,
        model_name=MODEL_NAME,
        serial_number=case.version,
    )
    context = ObserverContext(codes.DCM.Device, device)
    return ObservationContext(observer_device_context=context)


def _group(case: Case, finding: Finding, captures: Sequence[Dataset]) -> Any:  # noqa: ANN401 - highdicom's
    """Write one finding: its verdict, its measures, and the captures that show it."""
    from highdicom.sr import (  # noqa: PLC0415
        MeasurementsAndQualitativeEvaluations,
        QualitativeEvaluation,
        SourceImageForMeasurementGroup,
        TrackingIdentifier,
    )

    kind = finding.gap if not isinstance(finding, ArtefactFinding) else "artefact"
    verdict = _VERDICTS[finding.verdict]
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=case.uid(f"finding/{finding.id}"), identifier=finding.id),
        finding_type=_code(kind, kind.replace("_", " ")),
        measurements=list(_measures(finding)),
        qualitative_evaluations=[
            QualitativeEvaluation(_code("verdict", "Verdict"), _code(finding.verdict, verdict))
        ],
        source_images=[SourceImageForMeasurementGroup.from_source_image(one) for one in captures] or None,
    )


def _measures(finding: Finding) -> Iterator[Any]:
    from highdicom.sr import Measurement  # noqa: PLC0415
    from pydicom.sr.codedict import codes  # noqa: PLC0415

    for name, value in _numbers(finding).items():
        yield Measurement(name=_code(name, name), value=float(value), unit=codes.UCUM.NoUnits)


def _numbers(finding: Finding) -> dict[str, float]:
    if not isinstance(finding, ArtefactFinding):
        return {"share": finding.share_of_production}
    found = {
        "reliance": finding.reliance,
        "irrelevance": finding.irrelevance,
        "score": finding.artefact_score,
    }
    for name, effect in effects(finding).items():
        found |= {name: effect.estimate, f"{name} low": effect.low, f"{name} high": effect.high}
    return found


def _texts(findings: Findings) -> Iterator[Any]:
    """Say the findings in words, and what was not examined."""
    from highdicom.sr import RelationshipTypeValues, TextContentItem  # noqa: PLC0415
    from pydicom.sr.codedict import codes  # noqa: PLC0415

    lines = [plain(findings.summary.headline)]
    lines += [f"{one.id}: {story(one)} {mend(one)}" for one in findings.findings]
    lines += [f"Not examined: {plain(line)}" for line in findings.not_examined]
    for line in lines:
        yield TextContentItem(
            name=codes.DCM.Comment,
            value=line[:_TEXT],
            relationship_type=RelationshipTypeValues.CONTAINS,
        )


def _code(value: str, meaning: str) -> CodedConcept:
    from highdicom.sr.coding import CodedConcept  # noqa: PLC0415

    return CodedConcept(value=value[:_VALUE], meaning=meaning[:_MEANING], scheme_designator=_SCHEME)
