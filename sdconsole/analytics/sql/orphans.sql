SELECT table_name || ' without ' || parent_table AS label,
       orphan_percent AS value,
       rows_checked AS n,
       orphans,
       expected_max_percent,
       verdict
FROM {schema}.v_orphaned_data
WHERE rows_checked > 0
ORDER BY label
