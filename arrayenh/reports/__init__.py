"""Reports: self-contained HTML files with text, plots and audio.

Audio and pictures are embedded, so a report needs no other file and no network connection.
"""

from arrayenh.reports.recording import SUFFIXES, Report, StageReport, write_report

__all__ = ["SUFFIXES", "Report", "StageReport", "write_report"]
