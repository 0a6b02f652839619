"""The zip format's records as bytes: what both the reader and the writer know of APPNOTE.TXT 6.3.10."""

from __future__ import annotations

from struct import Struct

LOCAL_SIGNATURE = b"PK\x03\x04"
CENTRAL_SIGNATURE = b"PK\x01\x02"
END_SIGNATURE = b"PK\x05\x06"
END64_SIGNATURE = b"PK\x06\x06"
LOCATOR_SIGNATURE = b"PK\x06\x07"
DESCRIPTOR_SIGNATURE = b"PK\x07\x08"

#: 4.3.7: version needed, flags, method, time, date, crc, compressed, size, name length, extra length.
LOCAL = Struct("<4s5H3L2H")
#: 4.3.12: version made by, then as LOCAL; comment length, disk, internal and external attributes, offset.
CENTRAL = Struct("<4s6H3L5H2L")
#: 4.3.16: disk, disk of the directory, entries here, entries in all, directory size and offset, comment length.
END = Struct("<4s4H2LH")
#: 4.3.14: record size, version made by, version needed, disks (2), entries (2), directory size and offset.
END64 = Struct("<4sQ2H2L4Q")
#: 4.3.15: disk of the zip64 end record, its offset, number of disks.
LOCATOR = Struct("<4sLQL")

STORED = 0
DEFLATED = 8

FLAG_DESCRIPTOR = 0x0008
FLAG_UTF8 = 0x0800
#: Bits that change nothing for us: two for the deflate level, the descriptor, the name's encoding.
FLAGS_KNOWN = 0x0006 | FLAG_DESCRIPTOR | FLAG_UTF8

EXTRA_ZIP64 = 0x0001
EXTRA_UNICODE_PATH = 0x7075

ONES16 = 0xFFFF
ONES32 = 0xFFFFFFFF
