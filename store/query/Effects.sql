-- A row is what a data-driven model says of one player over all closed deals of a run: credit in deals, value in minor
-- units. Of one model, or of the models of content (those without an order in their name) for one player.
SELECT model, player, credit, credit_low, credit_high, value, value_low, value_high, effect, effect_low, effect_high, error
FROM effects
WHERE run = {run:String} AND if({player:String} = '', model = {model:String}, player = {player:String} AND position(model, ':') = 0)
