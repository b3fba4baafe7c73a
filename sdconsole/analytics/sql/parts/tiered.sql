-- Tickets of the range whose tier is known, with what one of them costs and which shares are expected. The targets of
-- the three tiers together make 102.5 percent, so they are scaled to 100.
SELECT tier.name AS tier, tier.cost, tier.target / 102.5 AS target_share, tier.least, tier.most, tickets.*
FROM ({tickets}) AS tickets
JOIN (
    VALUES ('L1', 100, 65.0, 60, 70), ('L2', 200, 30.0, 25, 35), ('L3', 300, 7.5, 5, 10)
) AS tier (name, cost, target, least, most) ON tier.name = btrim(tickets.support_tier)
