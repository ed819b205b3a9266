"""Asking for exports that run as jobs, and showing them."""

from datetime import datetime
from typing import Any

from api.exporting.files import check_format
from api.exporting.filters import as_json, span
from api.exporting.links import link_token
from gateway.columns import RecordKind
from gateway.exports import ExportResource, Format, file_name
from gateway.zones import time_zone
from storage.exports import ExportRecord, Exports, NewExport
from storage.filters import Wanted


async def ask_for_export(
    exports: Exports,
    merchant_id: str,
    livemode: bool,
    kind: RecordKind,
    wanted: Wanted,
    *,
    format: Format,
    tz: str,
    created_by: str,
    now: datetime,
) -> ExportRecord:
    """Have a file made of the records that are wanted; `created_by` is a key's or a user's id.

    Raises InvalidRequest for a zone or format, GatewayError `too_many_requests`.
    """
    zone = time_zone(tz)
    check_format(format)
    new = NewExport(
        merchant_id=merchant_id,
        livemode=livemode,
        kind=kind,
        format=format,
        tz=tz,
        filters=as_json(wanted),
        file_name=file_name(kind, format, zone, *span(wanted), now),
        created_by=created_by,
    )
    return await exports.add(new)


def export_resource(
    export: ExportRecord, *, public_url: str, secret: str, now: datetime
) -> ExportResource:
    """An export as it is shown; with a fresh link, if there is a file."""
    shown: dict[str, Any] = {
        name: getattr(export, name)
        for name in ExportResource.__struct_fields__
        if name not in ("object", "url")
    }
    url = None
    if export.status == "ready":
        token = link_token(secret, export.merchant_id, export.livemode, export.id, now)
        url = f"{public_url}/v1/exports/{export.id}/file?token={token}"
    return ExportResource(object="export", url=url, **shown)
