"""Where the bytes of the zips are, held against the limits of the place before and after they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossdock.cli.console import note, terminal_width

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from crossdock.cli.lambda_session import LambdaSession
    from crossdock.pipeline.bundle import Bundle, Part
    from crossdock.ship.bundle.size import LayerSize, SizeReport
    from crossdock.ship.bundle.write import WrittenZip


class Sizes:
    """The sizes of one target's zips; `names` are those of its parts, in order."""

    def __init__(self, session: LambdaSession, bundle: Bundle, names: list[str]) -> None:
        self._session = session
        self._bundle = bundle
        self._names = names
        self._written: dict[str, int] = {}

    def check(self) -> None:
        """Refuse what is too large for its place whatever compression makes of it; write the report before that."""
        page = self._session.report_name(self._bundle.target)
        if page is not None:
            self._tell(page)
        if not self._fits_easily():
            self._check()

    def _fits_easily(self) -> bool:
        """Tell whether it is so far below every limit that measuring it exactly would tell nothing."""
        limits = self._bundle.place.limits
        if self._session.with_layers or limits.unzipped is None or limits.zipped is None:
            return False
        unzipped = sum(package.size for package in self._bundle.packages)
        zipped = [sum(package.compressed for package in part.packages) for part in self._bundle.parts]
        return unzipped < limits.unzipped // 2 and max(zipped) < limits.zipped * 3 // 4

    def check_written(self, part: Part) -> Callable[[WrittenZip], None]:
        """Return what is called once a part's zip is known, before it takes its name."""
        name = self._names[self._bundle.parts.index(part)]

        def check(written: WrittenZip) -> None:
            self._written[name] = written.size
            limit = self._bundle.place.limits.zipped
            if limit is not None and written.size > limit:
                self._check()

        return check

    def _check(self) -> None:
        from crossdock.ship.bundle.size import check_limits

        notes = check_limits(self._report(self._provided()), through_s3=bool(self._session.options["s3"]))
        for text in notes:
            self._session.warn_once(text)

    def _tell(self, page: str) -> None:
        from crossdock.ship.bundle.size import size_html, size_text
        from crossdock.ship.files import write_file

        report = self._report(self._provided())
        if not self._session.quiet:
            note(size_text(report, width=terminal_width()).rstrip())
        write_file(self._session.directory / page, size_html(report).encode())
        self._session.tell(f"{page}: where the bytes are")

    def _report(self, provided: Collection[str] = ()) -> SizeReport:
        from crossdock.ship.bundle.size import OneZip, size_report

        bundle = self._bundle
        zips = [
            OneZip(name=name, role=part.role, packages=part.packages, zipped=self._written.get(name))
            for name, part in zip(self._names, bundle.parts, strict=True)
        ]
        return size_report(
            bundle.target.name,
            bundle.place,
            zips,
            layers=self._layers(),
            removed=bundle.removed,
            provided=provided,
        )

    def _layers(self) -> list[LayerSize]:
        from crossdock.ship.bundle.size import layer_size

        limit = self._bundle.place.limits.unzipped
        return [layer_size(path, enough=limit or 1 << 40) for path in self._session.with_layers]

    def _provided(self) -> frozenset[str]:
        """Return what the runtime brings and could be left out still, which is part of the advice."""
        from crossdock.ship.bundle.provided import provided_closure

        bundle = self._bundle
        names = {package.name for package in bundle.packages}
        if bundle.left_out or names.isdisjoint(bundle.place.provided):
            return frozenset()
        closure = provided_closure(
            bundle.packages, bundle.place.provided, target=bundle.target, asked=self._session.asked
        )
        return closure.left_out
