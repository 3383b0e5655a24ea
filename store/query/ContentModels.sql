-- A row is what one content earned in a run under one model, as in Attribution.
SELECT
    false AS unattributed, toString(model) AS key, count() AS deals,
    sum(credit) AS credits, toFloat64(sum(toInt256(credit) * credit)) AS credit_squares, max(credit) AS most_credit,
    sum(value) AS amount,
    sumIf(value, value > 0) AS won, toFloat64(sumIf(toInt256(value) * value, value > 0)) AS won_squares, greatest(max(value), 0) AS most_won,
    -sumIf(value, value < 0) AS back, toFloat64(sumIf(toInt256(value) * value, value < 0)) AS back_squares, -least(min(value), 0) AS most_back,
    count() OVER () AS rows_in_all, sum(credits) OVER () AS credits_in_all, sum(amount) OVER () AS value_in_all
FROM
(
    SELECT model, deal, sum(toInt64(round(share * 1e12))) AS credit, sum(value) AS value
    FROM credits
    WHERE run = {run:String} AND content = {content:String}
    GROUP BY model, deal
)
GROUP BY model
