"""The portals' key files: told apart by content, read into rows with a verdict each, and written.

A format is one module with `sniff(data) -> bool` and `read(file) -> ImportStream`; to add one, add its line to
`keystore.formats.reading.READERS`, before any that accepts more (docs/add-a-key-format.md).
"""

from keystore.formats.batch import ExportFile, ImportBatch, ImportRow, ImportStream, ReadOptions, RowVerdict
from keystore.formats.csv_writer import write as write_csv
from keystore.formats.kem import devices_from_records
from keystore.formats.kem import file_name as kem_file_name
from keystore.formats.kem import write as write_kem
from keystore.formats.kem_document import KemDevice, KemKey, KemVariant
from keystore.formats.kem_envelope import weak_password
from keystore.formats.kem_signature import SigningKey, load_signer
from keystore.formats.mapping import ColumnMapping, mapping_of, parse_mapping
from keystore.formats.reading import READERS, open_export, read_export
from keystore.formats.table_writer import table_line
from keystore.formats.writing import WRITERS, WriteOptions, Writer, Written, chosen, write_export

__all__ = [
    "READERS",
    "WRITERS",
    "ColumnMapping",
    "ExportFile",
    "ImportBatch",
    "ImportRow",
    "ImportStream",
    "KemDevice",
    "KemKey",
    "KemVariant",
    "ReadOptions",
    "RowVerdict",
    "SigningKey",
    "WriteOptions",
    "Writer",
    "Written",
    "chosen",
    "devices_from_records",
    "kem_file_name",
    "load_signer",
    "mapping_of",
    "open_export",
    "parse_mapping",
    "read_export",
    "table_line",
    "weak_password",
    "write_csv",
    "write_export",
    "write_kem",
]
