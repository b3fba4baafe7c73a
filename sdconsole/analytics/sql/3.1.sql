-- The headline is the share of the teams that do more than 90 percent of their work in one category.
WITH shares AS (
    SELECT coalesce("TKT-Team", '(no team)') AS team,
           coalesce("TKT-Category", '(no category)') AS category,
           count(*) AS tickets,
           sum(count(*)) OVER (PARTITION BY "TKT-Team") AS of_team,
           100.0 * count(*) / sum(count(*)) OVER (PARTITION BY "TKT-Team") AS share
    FROM ({tickets}) AS ticket
    WHERE "TKT-Status" = ANY ({closed}::text[])
    GROUP BY "TKT-Team", "TKT-Category"
), teams AS (
    SELECT team, max(share) AS largest_share, sum(tickets) AS tickets
    FROM shares
    WHERE of_team >= {team_minimum}
    GROUP BY team
)
SELECT team AS label,
       category AS series,
       share AS value,
       shares.tickets AS n,
       (SELECT sum(tickets) FROM teams) AS total,
       (SELECT 100.0 * count(*) FILTER (WHERE largest_share > 90) / count(*) FROM teams) AS headline
FROM shares
WHERE of_team >= {team_minimum} AND shares.tickets >= {cell_minimum}
ORDER BY of_team DESC, label, value DESC, series
