"""Conversions, and the one way to show a size, a duration, a price and a count.

AWS mixes GiB with decimal GB, MiB/s with MB/s and Mbit/s. Everything inside batchguide is in
GiB, MiB, MiB/s and seconds; the functions here are the only place where one becomes the other.
"""

import math

MIB = 1024**2
"""Bytes in a MiB."""
GIB = 1024**3
"""Bytes in a GiB."""

_GB = 10**9
_MB = 10**6
_MBIT = 10**6 / 8
_DURATIONS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def gib(size_bytes: float) -> float:
    """Bytes as GiB.

    >>> gib(1_720_700_000)
    1.6025267541408539
    """
    return size_bytes / GIB


def mib(size_bytes: float) -> float:
    """Bytes as MiB.

    >>> mib(20 * MIB)
    20.0
    """
    return size_bytes / MIB


def gib_from_gb(size_gb: float) -> float:
    """Decimal gigabytes, as instance stores are sold (`TotalSizeInGB`), as GiB.

    >>> round(gib_from_gb(900), 1)
    838.2
    """
    return size_gb * _GB / GIB


def mibps_from_mbit(rate_mbit: float) -> float:
    """Megabits a second (`BaselineBandwidthInMbps`) as MiB/s.

    >>> round(mibps_from_mbit(4_750), 1)
    566.2
    """
    return rate_mbit * _MBIT / MIB


def mibps_from_mbyte(rate_mbyte: float) -> float:
    """Decimal megabytes a second (`BaselineThroughputInMBps`) as MiB/s.

    >>> mibps_from_mbyte(593.75) == mibps_from_mbit(4_750)
    True
    """
    return rate_mbyte * _MB / MIB


def show_size(size_gib: float | None) -> str:
    """A size for people: three significant digits at most, in the unit that keeps it readable.

    >>> show_size(1.6025), show_size(30), show_size(0.0195), show_size(20_000)
    ('1.6 GiB', '30 GiB', '20 MiB', '19.5 TiB')
    >>> show_size(0.00011), show_size(0), show_size(None)
    ('115 KiB', '0 GiB', 'unknown')
    """
    if size_gib is None:
        return "unknown"
    if size_gib == 0:
        return "0 GiB"
    units = (("TiB", 1024.0), ("GiB", 1.0), ("MiB", 1 / 1024), ("KiB", 1 / MIB), ("B", 1 / GIB))
    for unit, in_gib in units:
        # 0.9995 and not 1: a number that three digits would round up to the unit is shown in it
        if abs(size_gib) >= 0.9995 * in_gib:
            return f"{_three_digits(size_gib / in_gib)} {unit}"
    return "0 GiB"


def show_duration(duration_s: float | None) -> str:
    """A duration for people, in its two largest units.

    >>> show_duration(270), show_duration(10_800), show_duration(93_784), show_duration(0.36)
    ('4 min 30 s', '3 h', '1 d 2 h', '0.36 s')
    >>> show_duration(59.7), show_duration(0), show_duration(None)
    ('1 min', '0 s', 'unknown')
    """
    if duration_s is None:
        return "unknown"
    if math.isinf(duration_s):
        return "for ever"
    if duration_s < 0:
        return f"-{show_duration(-duration_s)}"
    if 0 < duration_s < 10:
        return f"{_three_digits(duration_s)} s"
    return _largest_two(duration_s)


def _largest_two(duration_s: float) -> str:
    whole_s = round(duration_s)
    unit_s = next((size for _, size in _DURATIONS if whole_s >= size), 1)
    smallest_s = {86_400: 3_600, 3_600: 60}.get(unit_s, 1)
    rest_s = round(whole_s / smallest_s) * smallest_s
    parts = []
    for unit, size_s in _DURATIONS:
        count, rest_s = divmod(rest_s, size_s)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def show_usd(amount_usd: float | None) -> str:
    """A price for people: cents from a dollar up, enough digits to tell small rates apart below.

    >>> show_usd(6.048), show_usd(0.08), show_usd(0.0052), show_usd(12_345.678), show_usd(-3)
    ('$6.05', '$0.08', '$0.0052', '$12,345.68', '-$3.00')
    >>> show_usd(None)
    'unknown'
    """
    if amount_usd is None:
        return "unknown"
    if amount_usd < 0:
        return f"-{show_usd(-amount_usd)}"
    cents = round(amount_usd, 2)
    if amount_usd >= 0.9995 or math.isclose(amount_usd, cents, rel_tol=1e-9):
        return f"${cents:,.2f}"
    return f"${float(f'{amount_usd:.3g}'):.10f}".rstrip("0")


def show_count(count: float | None, noun: str = "", plural: str = "") -> str:
    """A number of things, with its noun in the right number when one is given.

    >>> show_count(1_000_000), show_count(1, "job"), show_count(2_000, "job")
    ('1,000,000', '1 job', '2,000 jobs')
    >>> show_count(0, "retry", "retries"), show_count(None, "job")
    ('0 retries', 'unknown')
    """
    if count is None:
        return "unknown"
    number = f"{count:,.0f}" if float(count).is_integer() else f"{count:,.3g}"
    if not noun:
        return number
    return f"{number} {noun if count == 1 else plural or noun + 's'}"


def _three_digits(value: float) -> str:
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):g}"
