SELECT table_name AS label, rows_loaded AS value, rows_loaded AS n, newest_data, loaded_at
FROM {schema}.v_data_freshness
ORDER BY label
