"""Reports: one HTML file to read, hear, print and pass on.

Everything is inside the file, sound and pictures too; it asks nothing of the network.
"""

from arrayenh.reports.recording import SUFFIXES, Report, StageReport, write_report

__all__ = ["SUFFIXES", "Report", "StageReport", "write_report"]
