-- A row is one word on a goal of sales and marketing, as it was said.
SELECT at, rep, note, attrs['measure'], attrs['period'], attrs['target'], attrs['sales'], attrs['marketing'], attrs['dropped'] = 'yes'
FROM facts(as_of = {as_of:DateTime64(3)})
WHERE kind = 'agreed'
ORDER BY at, id
