-- A row is what a run found of one content for one outcome or, without a content, of the library. See the table lifts.
SELECT
    content, verdict, sentence, seen, exposed, exposed_advanced, control, control_advanced,
    with_rate, without_rate, lift, low, high, shrunk, p, q, mde, evalue, evalue_limit,
    [hazard, hazard_low, hazard_high], [lost, lost_low, lost_high], [gain, gain_low, gain_high], hazard_note,
    placebo_z, placebo_p, placebo_mean, placebo_sd, placebo_banner, more_deals
FROM lifts
WHERE run = {run:String} AND outcome = {outcome:String}
ORDER BY content
