-- Analyses that say something: neither failed nor uniform.
SELECT *
FROM ({analyses}) AS analyses
WHERE NOT failed AND NOT uniform
