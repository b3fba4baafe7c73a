SELECT tier AS label,
       sum(cost) AS value,
       count(*) AS n,
       max(cost) AS cost_of_a_ticket,
       100.0 * count(*) / sum(count(*)) OVER () AS share_percent,
       100.0 * max(target_share) AS target_percent,
       CASE
           WHEN 100.0 * count(*) / sum(count(*)) OVER () BETWEEN max(least) AND max(most) THEN 'inside the band'
           ELSE 'outside the band'
       END AS verdict
FROM ({tiered}) AS tiered
GROUP BY tier
ORDER BY label
