"""Writes the Grafana dashboard: `python deploy/grafana/dashboard.py deploy/grafana/streamrnn.json`.

The JSON is what Grafana imports; `panels.py` beside this file is what people edit.
"""

import json
import sys
from pathlib import Path
from typing import Any

from panels import ROWS, Panel

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
HEIGHT = {"stat": 4, "timeseries": 8}


def picture(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    """One panel in Grafana's form."""
    targets = [
        {"refId": chr(65 + i), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
        for i, (expression, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": HEIGHT[panel.kind]},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {"textMode": "value_and_name"} if panel.title == "Version" else {},
        "targets": targets,
    }


def layout() -> list[dict[str, Any]]:
    """All rows and panels, numbered and placed from left to right."""
    shown: list[dict[str, Any]] = []
    x = y = height = 0
    for title, panels in ROWS.items():
        x, y, height = 0, y + height, 0
        place = {"x": 0, "y": y, "w": 24, "h": 1}
        shown.append({"id": len(shown) + 1, "type": "row", "title": title, "collapsed": False, "gridPos": place})
        y += 1
        for panel in panels:
            if x + panel.width > 24:
                x, y = 0, y + height
            shown.append(picture(panel, len(shown) + 1, x, y))
            x, height = x + panel.width, HEIGHT[panel.kind]
    return shown


def variable(name: str, query: str) -> dict[str, Any]:
    """A variable that takes its values from a label."""
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }


def dashboard() -> dict[str, Any]:
    """The whole dashboard."""
    instances = 'label_values(streamrnn_build_info{job=~"$job"}, instance)'
    return {
        "uid": "streamrnn",
        "title": "streamrnn",
        "description": "Is the service well, and are its forecasts any good?",
        "tags": ["streamrnn"],
        "schemaVersion": 38,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                variable("job", "label_values(streamrnn_build_info, job)"),
                variable("instance", instances),
            ]
        },
        "panels": layout(),
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(dashboard(), indent=2) + "\n", encoding="utf-8")
