"""DICOM files made for tests, and real ones."""

import made_dicom
import pytest


@pytest.fixture
def make_dicom():
    return made_dicom.dicom_bytes


@pytest.fixture
def example():
    return made_dicom.example
