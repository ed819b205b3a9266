"""Files of flat records: CSV, JSON lines, XLSX and Parquet, written batch by batch."""
