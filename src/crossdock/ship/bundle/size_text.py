"""A bundle's size as lines of a terminal, and the refusals of one that is too large."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from crossdock.errors import ShipError
from crossdock.ship.bundle.prune import possible
from crossdock.ship.bundle.size import fits_unzipped, takes_s3
from crossdock.ship.report.words import bar, counted, cut, human_size, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crossdock.ship.bundle.prune import Saving
    from crossdock.ship.bundle.size import PackageSize, SizeReport, ZipSize

#: Packages in a refusal and in a terminal before the rest is only counted.
_MOST_REFUSED = 8
_MOST_SHOWN = 20
_NARROWEST = 70
#: Columns of numbers: files, unzipped, zipped.
_FILES, _BYTES = 8, 12


class _Line(NamedTuple):
    title: str
    files: int
    unzipped: int
    zipped: int


def text(report: SizeReport, width: int) -> str:
    """Return the tables: the zips against the limits, packages, kinds, and what pruning saved or would save."""
    width = max(width, _NARROWEST)
    blocks = [
        [cut(plain(f"{report.target} at {report.place.name}"), width), *_totals(report, width)],
        _table("package", _packages(report.packages, _MOST_SHOWN), width),
        _table("kind", [_Line(str(kind), *size) for kind, size in report.kinds], width),
    ]
    if report.pruned:
        blocks.append(_table("pruned by", [_Line(*one) for one in report.pruned], width))
    could = _could_save(report)
    if could:
        blocks.append(_table("would be saved by", could, width))
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def _totals(report: SizeReport, width: int) -> Iterator[str]:
    limits = report.limits
    room = width - 28 - 17 - 16
    rows = [("together, unzipped", "", report.unzipped, limits.unzipped, report.fits_unzipped)]
    rows += [
        (f"{one.name}, zipped", one.bound, one.size.zipped, limits.zipped, one.fits(limits))
        for one in report.zips
    ]
    for title, bound, size, limit, fits in rows:
        of = "" if limit is None else f" of {human_size(limit)}"
        drawn = (
            "" if limit is None else (bar(min(size, limit), limit, room).rstrip() if fits else "too large")
        )
        yield cut(
            f"  {cut(plain(title), 26):<26}{bound + human_size(size):>17}{of:<16}{drawn}".rstrip(), width
        )
    for layer in report.layers:
        yield cut(f"  {plain(layer.name)}: {human_size(layer.unzipped)} of it, another layer", width)
    if limits.layers is not None and report.layer_count:
        yield f"  {counted(report.layer_count, 'layer')} of at most {limits.layers}"


def _packages(packages: Sequence[PackageSize], most: int) -> list[_Line]:
    lines = [_Line(one.title, *one.size) for one in packages[:most]]
    rest = packages[most:]
    if rest:
        lines.append(
            _Line(
                f"{len(rest)} more",
                sum(one.size.files for one in rest),
                sum(one.size.unzipped for one in rest),
                sum(one.size.zipped for one in rest),
            )
        )
    return lines


def _could_save(report: SizeReport) -> list[_Line]:
    lines = [_Line(f"--prune {one.rule}", one.files, one.size, one.compressed) for one in report.savings]
    if report.provided:
        lines.append(_Line("--without-provided", *report.provided_size))
    return lines


def _table(title: str, lines: Iterable[_Line], width: int) -> list[str]:
    name = width - _FILES - 2 * _BYTES
    head = f"{title:<{name}}{'files':>{_FILES}}{'unzipped':>{_BYTES}}{'zipped':>{_BYTES}}"
    return [head, *(_row(line, name) for line in lines)]


def _row(line: _Line, name: int) -> str:
    return (
        f"{cut(plain(line.title), name - 1):<{name}}{line.files:>{_FILES}}"
        f"{human_size(line.unzipped):>{_BYTES}}{human_size(line.zipped):>{_BYTES}}"
    )


def too_many_layers(report: SizeReport, most: int) -> ShipError:
    """Return the refusal of more layers than a function may have."""
    ours = [one.name for one in report.zips if one.role == "layer"]
    return ShipError(
        f"{report.layer_count} layers, and a function of {report.place.name} has at most {most}",
        code="E-BUNDLE-LAYERS",
        places=[*ours, *(one.name for one in report.layers)],
        hint="put the packages into the function's own zip, or layers together",
    )


def too_large_unzipped(report: SizeReport) -> ShipError:
    """Return the refusal of what is too large when it is unzipped, the layers included."""
    limits = report.limits
    limit = limits.unzipped or 0
    bound = "less than" if limits.unzipped_exclusive else "at most"
    what = "function and layers" if report.layer_count else "the function"
    parts = []
    if len(report.zips) + len(report.layers) > 1:
        sizes = [(one.name, one.size.unzipped) for one in report.zips]
        sizes += [(one.name, one.unzipped) for one in report.layers]
        parts = [" + ".join(f"{name} {human_size(size)}" for name, size in sizes)]
    saved = sum(one.size for one in report.savings)
    provided = report.provided_size.unzipped
    fits = (
        fits_unzipped(report.unzipped - saved, limits),
        fits_unzipped(report.unzipped - saved - provided, limits),
    )
    # An image of Lambda's may have 10 GB.
    last = "ship a container image: `--image`" if report.place.kind == "lambda" else "leave packages out"
    return ShipError(
        f"{what} for {report.target} {'are' if report.layer_count else 'is'} too large: unzipped "
        f"{human_size(report.unzipped)} ({report.unzipped:,} bytes), {report.place.name} takes {bound} "
        f"{human_size(limit)} ({limit:,})",
        code="E-BUNDLE-SIZE",
        places=[*parts, *_places(report, report.savings, zipped=False)],
        hint=_hint(report, saved, fits, last=last),
    )


def zipped_words(report: SizeReport, one: ZipSize, limit: int) -> str:
    """Say that a zip is larger than the place's API takes."""
    least = "" if one.is_written else "at least "
    return (
        f"`{one.name}` has {least}{human_size(one.least)} ({one.least:,} bytes), and {report.place.name} takes at most "
        f"{human_size(limit)} ({limit:,}) zipped"
    )


def too_large_zipped(report: SizeReport, one: ZipSize, limit: int) -> ShipError:
    """Return the refusal of a zip that is larger than the place's API takes."""
    inside = [row.name for row in report.packages if row.zip == one.name]
    savings = possible([package for package in report.bundled if package.name in inside])
    saved = sum(saving.compressed for saving in savings)
    provided = sum(
        row.size.zipped for row in report.packages if row.zip == one.name and row.name in report.provided
    )
    upload = "pass `--s3` if it is uploaded through S3" if takes_s3(report.place) else "leave packages out"
    return ShipError(
        zipped_words(report, one, limit),
        code="E-BUNDLE-SIZE",
        places=_places(report, savings, zipped=True, name=one.name),
        hint=_hint(
            report, saved, (one.least - saved <= limit, one.least - saved - provided <= limit), last=upload
        ),
    )


def _places(
    report: SizeReport, savings: Iterable[Saving], *, zipped: bool, name: str | None = None
) -> list[str]:
    """Return the largest packages and what pruning would save, a line each."""
    rows = [one for one in report.packages if name in (None, one.zip)]
    if zipped:
        rows.sort(key=lambda row: (-row.size.zipped, row.name))
    lines = [
        (plain(line.title), line.zipped if zipped else line.unzipped)
        for line in _packages(rows, _MOST_REFUSED)
    ]
    lines += [
        (f"`--prune {one.rule}` saves", one.compressed if zipped else one.size)
        for one in savings
        if one.files
    ]
    provided = [row.size for row in rows if row.name in report.provided]
    if provided:
        saved = sum(size.zipped if zipped else size.unzipped for size in provided)
        lines.append(("`--without-provided` saves", saved))
    longest = max(len(title) for title, _size in lines) if lines else 0
    return [f"{title:<{longest}}  {human_size(size):>10}" for title, size in lines]


def _hint(report: SizeReport, saved: int, fits: tuple[bool, bool], *, last: str) -> str:
    """Say what makes it fit: pruning, or that and what the runtime brings, or nothing of both."""
    pruned, and_provided = fits
    if saved and pruned:
        return f"`--prune all` makes it fit; else {last}"
    if and_provided and report.provided:
        both = "`--prune all --without-provided`" if saved else "`--without-provided`"
        return f"{both} makes it fit: {', '.join(report.provided)} are those of the runtime then, which are older"
    return f"pruning is not enough: {last}" if saved else last
