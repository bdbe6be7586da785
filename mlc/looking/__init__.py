"""Looking at programs and schedules.

::

    difference    two scripts, line by line: what was added, removed, moved deeper or outwards
    show          s.show(): the script with what the last step changed
    explain       s.explain(), lowered.explain(): counts, footprints, traffic, the predicted bound
    draw          s.draw(), s.draw_access(loop): loop nests and accesses as SVG

Everything here only reads. Nothing is measured: numbers come from the program and from what is
known of the machine.
"""
