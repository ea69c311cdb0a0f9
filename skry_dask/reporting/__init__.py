"""The report: one HTML file, which opens offline, on what a job did and why.

    results of the phases ──▶ charts (SVG) ─┐
    stack, best frame, composite ──▶ PNG ───┼──▶ page (HTML)
    figures, options, notes ────────────────┘

It needs jinja2 and matplotlib (the extra ``report``).
"""
